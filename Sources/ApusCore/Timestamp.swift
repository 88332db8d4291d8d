public import NIOCore

/// A moment as milliseconds since 1970-01-01T00:00:00Z, on the wire RFC 3339 in UTC with three decimals.
///
/// Holds the years 0000 to 9999, what RFC 3339 can write.
public struct Timestamp: Hashable, Comparable, Codable, Sendable {
    public var milliseconds: Int64

    @inlinable
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }

    @inlinable
    public func advanced(byMilliseconds amount: Int64) -> Timestamp {
        Timestamp(milliseconds: milliseconds + amount)
    }

    @inlinable
    public func advanced(bySeconds amount: Int64) -> Timestamp { advanced(byMilliseconds: amount * 1000) }

    /// Whole seconds since 1970, rounded down.
    public var seconds: Int64 {
        milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000
    }

    /// 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z.
    static let bounds: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999
}

extension Timestamp {
    /// The length of what is written.
    static let textBytes = 24

    /// Writes `YYYY-MM-DDTHH:MM:SS.mmmZ`.
    func write(to bytes: UnsafeMutableRawBufferPointer) {
        let clamped = min(max(milliseconds, Self.bounds.lowerBound), Self.bounds.upperBound)
        let day = clamped >= 0 ? clamped / 86_400_000 : (clamped - 86_399_999) / 86_400_000
        let inDay = Int(clamped - day * 86_400_000)
        let (year, month, dayOfMonth) = Self.civil(daysSince1970: Int(day))
        func put(_ value: Int, at index: Int, digits: Int) {
            var rest = value
            for position in stride(from: index + digits - 1, through: index, by: -1) {
                bytes[position] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
        }
        put(year, at: 0, digits: 4)
        put(month, at: 5, digits: 2)
        put(dayOfMonth, at: 8, digits: 2)
        put(inDay / 3_600_000, at: 11, digits: 2)
        put(inDay / 60_000 % 60, at: 14, digits: 2)
        put(inDay / 1000 % 60, at: 17, digits: 2)
        put(inDay % 1000, at: 20, digits: 3)
        bytes[4] = UInt8(ascii: "-")
        bytes[7] = UInt8(ascii: "-")
        bytes[10] = UInt8(ascii: "T")
        bytes[13] = UInt8(ascii: ":")
        bytes[16] = UInt8(ascii: ":")
        bytes[19] = UInt8(ascii: ".")
        bytes[23] = UInt8(ascii: "Z")
    }

    /// Appends `YYYY-MM-DDTHH:MM:SS.mmmZ`.
    public func write(to buffer: inout ByteBuffer) {
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.textBytes) { memory in
            write(to: memory)
            return Self.textBytes
        }
    }

    public var text: String {
        var buffer = ByteBuffer()
        write(to: &buffer)
        return String(buffer: buffer)
    }

    /// Reads an RFC 3339 `date-time`: any offset, any number of decimals (those past the third are cut off), leap
    /// second 60 read as the next minute's start. `nil` for anything else.
    public init?(_ text: String) {
        var reader = DigitReader(bytes: Array(text.utf8))
        guard let year = reader.number(digits: 4), reader.skip("-"),
            let month = reader.number(digits: 2), reader.skip("-"),
            let day = reader.number(digits: 2), reader.skip("T") || reader.skip("t") || reader.skip(" "),
            let hour = reader.number(digits: 2), reader.skip(":"),
            let minute = reader.number(digits: 2), reader.skip(":"),
            let second = reader.number(digits: 2),
            (1...12).contains(month), (1...Self.days(inMonth: month, of: year)).contains(day),
            hour <= 23, minute <= 59, second <= 60
        else { return nil }
        var fraction = 0
        if reader.skip(".") {
            guard let milliseconds = reader.fraction() else { return nil }
            fraction = milliseconds
        }
        guard let offsetMinutes = reader.offset(), reader.isAtEnd else { return nil }
        let days = Self.daysSince1970(year: year, month: month, day: day)
        let minutes = (days * 24 + hour) * 60 + minute - offsetMinutes
        let milliseconds = Int64(minutes * 60 + second) * 1000 + Int64(fraction)
        guard Self.bounds.contains(milliseconds) else { return nil }
        self.init(milliseconds: milliseconds)
    }

    // Both conversions follow Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
    static func civil(daysSince1970 days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

private struct DigitReader {
    let bytes: [UInt8]
    var index = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { index == bytes.count }

    mutating func digit() -> Int? {
        guard index < bytes.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = bytes[index] else { return nil }
        index += 1
        return Int(bytes[index - 1] - UInt8(ascii: "0"))
    }

    mutating func number(digits: Int) -> Int? {
        var value = 0
        for _ in 0..<digits {
            guard let digit = digit() else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    /// The decimals after the point as milliseconds.
    mutating func fraction() -> Int? {
        guard var value = digit() else { return nil }
        value *= 100
        var scale = 10
        while let digit = digit() {
            value += digit * scale
            scale /= 10
        }
        return value
    }

    /// Minutes east of UTC.
    mutating func offset() -> Int? {
        if skip("Z") || skip("z") { return 0 }
        let sign: Int
        if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
        guard let hours = number(digits: 2), skip(":"), let minutes = number(digits: 2), hours <= 23, minutes <= 59
        else { return nil }
        return sign * (hours * 60 + minutes)
    }
}

/// Where the time comes from: injected, so that tests own it.
public protocol WallClock: Sendable {
    func now() -> Timestamp
}
