internal import ApusCore
internal import CLMDB

/// Where keys are put together, one after the other, without allocating.
final class KeyBuffer {
    /// What LMDB takes (`mdb_env_get_maxkeysize`).
    static let bytesMax = 511

    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: KeyBuffer.bytesMax, alignment: 8)
    private var count = 0
    /// Whether more was added than a key can hold: nothing is stored under such a key.
    private(set) var isTooLong = false

    deinit {
        memory.deallocate()
    }

    /// Begins a new key; the former one is gone.
    func begin() -> KeyBuffer {
        count = 0
        isTooLong = false
        return self
    }

    func add(_ number: UInt32) -> KeyBuffer {
        withUnsafeBytes(of: number.bigEndian) { add($0) }
    }

    func add(_ number: Int64) -> KeyBuffer {
        withUnsafeBytes(of: number.inKeyOrder) { add($0) }
    }

    func add(_ moment: Timestamp) -> KeyBuffer {
        add(moment.milliseconds)
    }

    func add(_ sequence: SequenceNumber) -> KeyBuffer {
        add(sequence.rawValue)
    }

    func add(byte: UInt8) -> KeyBuffer {
        withUnsafeBytes(of: byte) { add($0) }
    }

    func add(_ text: String) -> KeyBuffer {
        var text = text
        return text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
    }

    func add(_ more: UnsafeRawBufferPointer) -> KeyBuffer {
        guard count + more.count <= memory.count else {
            isTooLong = true
            return self
        }
        UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: more)
        count += more.count
        return self
    }

    /// The key, good until the next one is begun.
    var value: MDB_val {
        MDB_val(mv_size: count, mv_data: memory.baseAddress)
    }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: memory[..<count])
    }
}

extension UnsafeRawBufferPointer {
    /// Memory of LMDB's, good until the transaction ends or, in one that writes, until it writes.
    init(_ value: MDB_val) {
        self.init(start: value.mv_data, count: value.mv_size)
    }

    /// A number as ``KeyBuffer`` puts it into a key.
    func keyNumber32(at offset: Int) -> UInt32 {
        UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// A number as ``KeyBuffer`` puts it into a key.
    func keyNumber64(at offset: Int) -> Int64 {
        let flipped = UInt64(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        return Int64(bitPattern: flipped ^ (1 << 63))
    }

    func text(from offset: Int) -> String {
        String(decoding: self[offset...], as: UTF8.self)
    }

    func hasPrefix(_ prefix: UnsafeRawBufferPointer) -> Bool {
        count >= prefix.count && self[..<prefix.count].elementsEqual(prefix)
    }
}

extension Int64 {
    /// The eight bytes whose byte order is the order of the numbers.
    fileprivate var inKeyOrder: UInt64 { (UInt64(bitPattern: self) ^ (1 << 63)).bigEndian }
}

extension UnsafeMutableRawBufferPointer {
    /// Puts a number as ``KeyBuffer`` does.
    func storeKeyNumber(_ number: UInt32, at offset: Int = 0) {
        storeBytes(of: number.bigEndian, toByteOffset: offset, as: UInt32.self)
    }

    /// Puts a number as ``KeyBuffer`` does.
    func storeKeyNumber(_ number: Int64, at offset: Int = 0) {
        storeBytes(of: number.inKeyOrder, toByteOffset: offset, as: UInt64.self)
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` with a typed error.
    func withBytes<Answer>(
        _ body: (UnsafeRawBufferPointer) throws(ApusError) -> Answer
    ) throws(ApusError) -> Answer {
        let result = withUnsafeBytes { bytes in
            Result { () throws(ApusError) in try body(bytes) }
        }
        return try result.get()
    }
}
