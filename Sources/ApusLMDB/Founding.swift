internal import ApusCore
internal import ApusStorageKit
internal import CLMDB

/// Tells whether a file is a database of ours, and makes an empty one into it.
struct Founding {
    static let epochName = "epoch"
    private static let schemaName = "schema"

    let path: String
    let makeEpoch: () -> String

    func found(_ environment: Environment) throws(ApusError) {
        let transaction = try environment.begin(isReadOnly: environment.isReadOnly)
        do throws(ApusError) {
            var main: MDB_dbi = 0
            var status = MDB_stat()
            try check(mdb_dbi_open(transaction, nil, 0, &main))
            try check(mdb_stat(transaction, main, &status))
            if status.ms_entries == 0, !environment.isReadOnly {
                try found(transaction)
            } else {
                try checkSchema(transaction)
            }
        } catch {
            mdb_txn_abort(transaction)
            throw error
        }
        try check(mdb_txn_commit(transaction))
    }

    private func found(_ transaction: OpaquePointer) throws(ApusError) {
        var meta: MDB_dbi = 0
        try check(mdb_dbi_open(transaction, Table.meta.name, UInt32(MDB_CREATE), &meta))
        try put(Schema.mark + "\(Schema.version)", at: Self.schemaName, meta, transaction)
        try put(makeEpoch(), at: Self.epochName, meta, transaction)
    }

    private func checkSchema(_ transaction: OpaquePointer) throws(ApusError) {
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
        guard version == Schema.version else { throw .refusal(path, "its schema version \(version) is unknown") }
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
        guard code == MDB_SUCCESS else {
            let error = Environment.failure(code)
            throw .refusal(path, "it is damaged, or the disk failed", cause: error.cause)
        }
    }
}

extension MDB_val {
    fileprivate init(_ bytes: UnsafeMutableRawBufferPointer) {
        self.init(mv_size: bytes.count, mv_data: bytes.baseAddress)
    }
}
