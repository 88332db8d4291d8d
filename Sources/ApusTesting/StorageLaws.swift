public import ApusCore

/// What every storage backend promises: each sentence of ``StorageBackend``'s documentation as a test of its own.
///
/// A test target of a backend is a place and one parameterised test, in any test framework:
///
/// ```swift
/// @Test(arguments: StorageLaws.all) func `my storage obeys`(_ law: StorageLaw) async throws {
///     let folder = try TemporaryFolder()
///     try await law.check(
///         StoragePlace(isKept: true) { try MyBackend(path: folder.path + "/data", makeEpoch: randomText) })
/// }
/// ```
public enum StorageLaws {
    public static let all: [StorageLaw] =
        names + lists + changes + transactions + sweeping + keeping + accounts + devices + journal + files + copying
}

/// One promise and how to find it broken.
public struct StorageLaw: Sendable, CustomStringConvertible {
    /// The promise as a sentence.
    public let description: String
    private let isAboutReopening: Bool
    private let trial: @Sendable (StoragePlace) async throws -> Void

    /// A law tried on a backend that was just opened.
    init(_ description: String, _ trial: @escaping @Sendable (StorageStage) throws -> Void) {
        self.description = description
        isAboutReopening = false
        self.trial = { try trial(StorageStage(try $0.open())) }
    }

    /// A law that opens the backend by itself, perhaps several times.
    init(
        _ description: String, reopening: Bool, _ trial: @escaping @Sendable (StoragePlace) async throws -> Void
    ) {
        self.description = description
        isAboutReopening = reopening
        self.trial = trial
    }

    /// Tries the law in `place`, which must be empty; laws about reopening hold of themselves where nothing is kept.
    ///
    /// - Throws: ``LawViolation`` if it is broken; whatever the backend throws that should not have.
    public func check(_ place: StoragePlace) async throws {
        if isAboutReopening && !place.isKept { return }
        do {
            try await trial(place)
        } catch let violation as LawViolation {
            throw LawViolation("\(description), but \(violation.description)")
        }
    }
}

/// A place for one database, empty at first.
public struct StoragePlace: Sendable {
    /// Whether what was written is found when the place is opened again.
    public let isKept: Bool
    /// Opens the backend there, again each time; the one before was closed.
    public let open: @Sendable () throws -> any StorageBackend

    public init(isKept: Bool, open: @escaping @Sendable () throws -> any StorageBackend) {
        self.isKept = isKept
        self.open = open
    }
}

/// What was found instead of what was promised.
public struct LawViolation: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

func expect(_ holds: Bool, _ otherwise: @autoclosure () -> String) throws {
    if !holds { throw LawViolation(otherwise()) }
}

func expectEqual<Value: Equatable>(_ found: Value, _ promised: Value, _ what: @autoclosure () -> String) throws {
    if found != promised { throw LawViolation("\(what()) was \(found), not \(promised)") }
}
