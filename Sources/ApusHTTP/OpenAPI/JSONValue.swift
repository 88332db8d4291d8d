import ApusCore
import NIOCore

/// A JSON value that keeps the order of its members, so that the same value is always the same bytes.
indirect enum JSONValue: Sendable {
    case null
    case boolean(Bool)
    case number(Int64)
    case string(String)
    case array([JSONValue])
    case object([(name: String, value: JSONValue)])
    /// JSON text of our own, as it is: an example.
    case text(String)

    /// An object without the members that are `nil`.
    static func members(_ members: [(name: String, value: JSONValue?)]) -> JSONValue {
        .object(members.compactMap { name, value in value.map { (name, $0) } })
    }

    static func strings(_ strings: [String]) -> JSONValue { .array(strings.map { .string($0) }) }
}

extension ByteBuffer {
    mutating func write(_ value: JSONValue) {
        switch value {
        case .null: writeStaticString("null")
        case .boolean(let value): writeStaticString(value ? "true" : "false")
        case .number(let number): writeDecimal(number)
        case .string(let string): writeJSON(string)
        case .text(let text): writeString(text)
        case .array(let elements):
            writeStaticString("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { writeStaticString(",") }
                write(element)
            }
            writeStaticString("]")
        case .object(let members):
            writeStaticString("{")
            for (index, member) in members.enumerated() {
                if index > 0 { writeStaticString(",") }
                writeJSON(member.name)
                writeStaticString(":")
                write(member.value)
            }
            writeStaticString("}")
        }
    }
}
