public import NIOCore

/// One JSON value as the client wrote it: validated, never decoded, spliced as it is into rows, answers and events.
///
/// A slice of the request it came in; no bytes are copied. Equal when the bytes are equal.
public struct JSONText: Hashable, Codable, Sendable {
    public var bytes: ByteBuffer

    /// - Parameter bytes: exactly one JSON value without space around it, already validated by ``JSONScanner``.
    @inlinable
    public init(validated bytes: ByteBuffer) {
        self.bytes = bytes
    }

    /// Validates `text` as one JSON value; space around it is dropped.
    ///
    /// - Throws: `malformed-json`, saying what and where.
    public init(parsing text: ByteBuffer, depthMax: Int) throws(ApusError) {
        var scanner = JSONScanner(depthMax: depthMax)
        let span = text.readableBytesUInt8Span
        let token = try scanner.value(in: span)
        try scanner.end(in: span)
        self.init(validated: text.slice(token.range))
    }

    @inlinable
    public var byteCount: Int { bytes.readableBytes }
}

extension ByteBuffer {
    /// The readable bytes at `range`, counted from the reader index, sharing the storage.
    @inlinable
    public func slice(_ range: Range<Int>) -> ByteBuffer {
        var copy = self
        copy.moveReaderIndex(forwardBy: range.lowerBound)
        copy.moveWriterIndex(to: copy.readerIndex + range.count)
        return copy
    }
}

/// What a JSON value is, and the bytes it takes.
public struct JSONToken: Sendable {
    public enum Kind: Sendable {
        case object, array, string, number, boolean, null
    }

    public var kind: Kind
    public var range: Range<Int>

    @inlinable
    public init(kind: Kind, range: Range<Int>) {
        self.kind = kind
        self.range = range
    }
}
