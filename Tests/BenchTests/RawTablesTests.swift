import Testing

@testable import ApusBench

/// A raw limit that loses rows would be a fast one.
@Suite struct RawTablesTests {
    @Test(arguments: ["sqlite", "lmdb"])
    func `the raw storages keep every record once, under its key and its last change`(backend: String) throws {
        let folder = try Folder.make("/tmp").makeRunFolder()
        defer { folder.remove() }
        let path = folder.path + "/raw.db"
        let tables: any RawTables =
            backend == "sqlite"
            ? try RawSQLite(path: path, isDurable: false) : try RawLMDB(path: path, isDurable: false)
        defer { tables.close() }
        let value = Bytes(capacity: KeySpace.valueBytes)
        value.append([UInt8](repeating: UInt8(ascii: "1"), count: KeySpace.valueBytes))
        var sequence = 0
        for _ in 0..<2 {
            try tables.begin()
            for record in 0..<200 {
                sequence += 1
                let row = RawRow(owner: 7, scope: 70 + record / 100, key: record % 100, sequence: sequence)
                try tables.upsert(row, value: value)
            }
            try tables.commit()
        }
        #expect(try tables.read(scope: 71, key: 99) == KeySpace.valueBytes)
        #expect(try tables.read(scope: 71, key: 100) == 0)
        #expect(try tables.list(scope: 70, limit: 50) == 50)
        #expect(try tables.list(scope: 71, limit: 1000) == 100)
        #expect(try tables.list(scope: 72, limit: 1000) == 0)
        #expect(try tables.changes(owner: 7, after: 0, limit: 1000) == 200)
        #expect(try tables.changes(owner: 7, after: 390, limit: 1000) == 10)
        #expect(try tables.changes(owner: 8, after: 0, limit: 1000) == 0)
    }
}
