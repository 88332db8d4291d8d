internal import ApusCore
internal import ApusStorageKit
internal import CLMDB

/// Tells whether a file is a database of ours, and makes an empty one into it.
struct Founding {
    static let epochName = "epoch"
    private static let schemaName = "schema"

    let path: String
    let environment: OpaquePointer
    let isReadOnly: Bool

    /// - Returns: the schema version of the file from now on: only one that is just read keeps that of before.
    func found(makeEpoch: () -> String) throws(ApusError) -> Int64 {
        try transaction { transaction throws(ApusError) in
            var main: MDB_dbi = 0
            var status = MDB_stat()
            try check(mdb_dbi_open(transaction, nil, 0, &main))
            try check(mdb_stat(transaction, main, &status))
            if status.ms_entries == 0, !isReadOnly {
                try found(transaction, epoch: makeEpoch())
                return Schema.version
            }
            let version = try schemaVersion(transaction)
            guard version < Schema.version, !isReadOnly else { return version }
            try upgrade(transaction, from: version)
            return Schema.version
        }
    }

    /// Opens the tables, and makes those that are not there unless the file is only to be read.
    ///
    /// - Returns: `nil` for one that a file of a version before has not.
    func openTables(version: Int64) throws(ApusError) -> [MDB_dbi?] {
        try transaction { transaction throws(ApusError) in
            var tables: [MDB_dbi?] = []
            for table in Table.allCases {
                guard table != .devices || version > Schema.versionWithoutDevices else {
                    tables.append(nil)
                    continue
                }
                let isEarlier = table == .audit && version < Schema.versionWithAuditNumbers
                let name = isEarlier ? Table.earlierAudit : table.name
                var number: MDB_dbi = 0
                try check(mdb_dbi_open(transaction, name, isReadOnly ? 0 : UInt32(MDB_CREATE), &number))
                tables.append(number)
            }
            return tables
        }
    }

    private func transaction<Answer>(
        _ body: (OpaquePointer) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        var begun: OpaquePointer?
        try check(mdb_txn_begin(environment, nil, isReadOnly ? UInt32(MDB_RDONLY) : 0, &begun))
        guard let begun else { throw .refusal(path, "no memory") }
        let answer: Answer
        do throws(ApusError) {
            answer = try body(begun)
        } catch {
            mdb_txn_abort(begun)
            throw error
        }
        try check(mdb_txn_commit(begun))
        return answer
    }

    private func found(_ transaction: OpaquePointer, epoch: String) throws(ApusError) {
        var meta: MDB_dbi = 0
        try check(mdb_dbi_open(transaction, Table.meta.name, UInt32(MDB_CREATE), &meta))
        try put(Schema.mark + "\(Schema.version)", at: Self.schemaName, meta, transaction)
        try put(epoch, at: Self.epochName, meta, transaction)
    }

    /// Makes a file of a version before into one of this.
    private func upgrade(_ transaction: OpaquePointer, from version: Int64) throws(ApusError) {
        var (meta, devices): (MDB_dbi, MDB_dbi) = (0, 0)
        if version == Schema.versionWithoutDevices {
            try check(mdb_dbi_open(transaction, Table.devices.name, UInt32(MDB_CREATE), &devices))
        }
        try check(EarlierAudit.number(in: transaction))
        try check(mdb_dbi_open(transaction, Table.meta.name, 0, &meta))
        try put(Schema.mark + "\(Schema.version)", at: Self.schemaName, meta, transaction)
    }

    private func schemaVersion(_ transaction: OpaquePointer) throws(ApusError) -> Int64 {
        var meta: MDB_dbi = 0
        guard mdb_dbi_open(transaction, Table.meta.name, 0, &meta) == MDB_SUCCESS,
            let schema = text(at: Self.schemaName, meta, transaction), schema.hasPrefix(Schema.mark)
        else { throw .refusal(path, "it is an LMDB database of another program") }
        let version = Int64(schema.dropFirst(Schema.mark.count))
        guard let version, version <= Schema.version else {
            throw .refusal(
                path,
                "it was written by a newer Apus (schema version \(schema.dropFirst(Schema.mark.count)); this one knows "
                    + "\(Schema.version))")
        }
        guard version >= Schema.versionWithoutDevices else {
            throw .refusal(path, "its schema version \(version) is unknown")
        }
        return version
    }

    private func put(
        _ text: String, at name: String, _ meta: MDB_dbi, _ transaction: OpaquePointer
    ) throws(ApusError) {
        var (key, value) = (Array(name.utf8), Array(text.utf8))
        let code = key.withUnsafeMutableBytes { key in
            value.withUnsafeMutableBytes { value in
                var (key, value) = (MDB_val(key), MDB_val(value))
                return mdb_put(transaction, meta, &key, &value, 0)
            }
        }
        try check(code)
    }

    private func text(at name: String, _ meta: MDB_dbi, _ transaction: OpaquePointer) -> String? {
        var key = Array(name.utf8)
        return key.withUnsafeMutableBytes { key in
            var (key, value) = (MDB_val(key), MDB_val())
            guard mdb_get(transaction, meta, &key, &value) == MDB_SUCCESS else { return nil }
            return UnsafeRawBufferPointer(value).text(from: 0)
        }
    }

    private func check(_ code: Int32) throws(ApusError) {
        guard code == MDB_SUCCESS else { throw OpenedFile.refusal(path, code) }
    }
}

extension MDB_val {
    fileprivate init(_ bytes: UnsafeMutableRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: bytes.baseAddress)
    }
}
