import Glibc

/// Bytes at a fixed address and of a fixed capacity, which system calls fill and empty without a copy.
final class Bytes {
    let start: UnsafeMutablePointer<UInt8>
    let capacity: Int
    private(set) var count = 0

    init(capacity: Int) {
        start = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
        start.initialize(repeating: 0, count: capacity)
        self.capacity = capacity
    }

    deinit {
        start.deallocate()
    }

    var free: Int { capacity - count }

    /// The place where the next byte goes.
    var end: UnsafeMutablePointer<UInt8> { start + count }

    func clear() {
        count = 0
    }

    /// Counts bytes in that were written at `end`.
    func grow(by length: Int) {
        precondition(length <= free)
        count += length
    }

    func append(_ bytes: [UInt8]) {
        precondition(bytes.count <= free)
        bytes.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { memcpy(end, base, source.count) }
        }
        count += bytes.count
    }

    func append(_ byte: UInt8) {
        precondition(free > 0)
        end.pointee = byte
        count += 1
    }

    /// Drops bytes from the beginning; the rest moves there.
    func removeFirst(_ length: Int) {
        precondition(length <= count)
        count -= length
        memmove(start, start + length, count)
    }

    /// Overwrites `width` bytes at `offset` with the last `width` decimal digits of a number.
    func write(_ number: Int, width: Int, at offset: Int) {
        precondition(offset >= 0 && offset + width <= count)
        var rest = number
        var place = offset + width
        while place > offset {
            place -= 1
            start[place] = UInt8(truncatingIfNeeded: 48 + rest % 10)
            rest /= 10
        }
    }
}

extension UnsafePointer<UInt8> {
    /// The bytes as text, for a message to a person.
    func text(count: Int) -> String {
        String(decoding: UnsafeBufferPointer(start: self, count: Swift.max(0, count)), as: UTF8.self)
    }

    func starts(with prefix: StaticString) -> Bool {
        memcmp(self, prefix.utf8Start, prefix.utf8CodeUnitCount) == 0
    }
}
