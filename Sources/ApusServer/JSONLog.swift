import ApusCore
import ApusEngine
import Glibc
import Logging
import NIOCore
import Synchronization

/// How log entries are written.
public enum LogFormat: String, CaseIterable, Sendable {
    case text
    case json
}

/// Writes each log entry as one line with one JSON object: `time`, `level`, `message`, `source`, and what is known
/// beside that as members of their own.
struct JSONLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    private let clock: any WallClock
    private let write: @Sendable (ByteBuffer) -> Void

    /// Names that an entry's own members have.
    private static let own: Set<String> = ["time", "level", "message", "source", "error"]

    /// - Parameter write: takes one line.
    init(
        clock: any WallClock = SystemClock(), write: @escaping @Sendable (ByteBuffer) -> Void = JSONLogHandler.complain
    ) {
        self.clock = clock
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = ByteBuffer()
        line.writeStaticString("{\"time\":")
        line.writeJSON(clock.now().text)
        line.writeMember("level", .string(event.level.rawValue))
        line.writeMember("message", .string(event.message.description))
        line.writeMember("source", .string(event.source))
        if let error = event.error { line.writeMember("error", .string("\(error)")) }
        var all = metadataProvider?.get() ?? [:]
        all.merge(metadata) { $1 }
        all.merge(event.metadata ?? [:]) { $1 }
        for (name, value) in all.sorted(by: { $0.key < $1.key }) {
            line.writeMember(Self.own.contains(name) ? "metadata.\(name)" : name, value)
        }
        line.writeStaticString("}\n")
        write(line)
    }

    private static let turn = Mutex(())

    /// Writes to standard error, one line after the other.
    static let complain: @Sendable (ByteBuffer) -> Void = { line in
        turn.withLock { _ in
            line.withUnsafeReadableBytes { bytes in
                var rest = bytes[...]
                while !rest.isEmpty {
                    let count = Glibc.write(
                        STDERR_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { return }
                    rest = rest.dropFirst(count)
                }
            }
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func writeMember(_ name: String, _ value: Logger.MetadataValue) {
        writeStaticString(",")
        writeJSON(name)
        writeStaticString(":")
        writeJSON(value)
    }

    private mutating func writeJSON(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): writeJSON(text)
        case .stringConvertible(let value): writeJSON(value.description)
        case .array(let values):
            writeStaticString("[")
            for (index, value) in values.enumerated() {
                if index > 0 { writeStaticString(",") }
                writeJSON(value)
            }
            writeStaticString("]")
        case .dictionary(let members):
            writeStaticString("{")
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { writeStaticString(",") }
                writeJSON(member.key)
                writeStaticString(":")
                writeJSON(member.value)
            }
            writeStaticString("}")
        }
    }
}
