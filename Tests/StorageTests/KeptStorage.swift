import ApusCore
import ApusLMDB
import ApusSQLite
import ApusTesting
import Testing

/// A storage that keeps what is written.
enum KeptStorage: String, CaseIterable, CustomTestStringConvertible {
    case sqlite = "SQLite"
    case lmdb = "LMDB"

    static let all = allCases

    var testDescription: String { rawValue }

    func open(
        _ path: String, durability: Durability = .full, access: StorageAccess = .serving
    ) throws(ApusError) -> any StorageBackend {
        let makeEpoch = { String(UInt64.random(in: 0...UInt64.max)) }
        switch self {
        case .sqlite:
            return try SQLiteBackend(path: path, durability: durability, access: access, makeEpoch: makeEpoch)
        case .lmdb: return try LMDBBackend(path: path, durability: durability, access: access, makeEpoch: makeEpoch)
        }
    }

    func place(in folder: TemporaryFolder, _ durability: Durability) -> StoragePlace {
        StoragePlace(isKept: true) { try open(folder.file("data"), durability: durability) }
    }
}
