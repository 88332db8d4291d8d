import Glibc

/// The storage the servers under test keep their records in: `APUS_TEST_STORAGE`, which is `sqlite` (unless told),
/// `lmdb` or `memory`.
enum TestStorage: String {
    case sqlite, lmdb, memory

    static let current = getenv("APUS_TEST_STORAGE").map { String(cString: $0) }.flatMap(TestStorage.init) ?? .sqlite

    /// The settings that choose it.
    var settings: [String: String] {
        switch self {
        case .sqlite: [:]
        case .lmdb: ["DB_PATH": "data.lmdb"]
        case .memory: ["DB_PATH": "memory:"]
        }
    }

    /// Whether a restarted server finds what was written before.
    var isKept: Bool { self != .memory }
}
