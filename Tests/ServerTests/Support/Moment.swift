import Glibc

/// A time on the wall clock in milliseconds since 1970, read and written as the contract has it.
struct Moment: Comparable, Sendable {
    var milliseconds: Int

    var seconds: Int { milliseconds / 1000 }

    static func now() -> Moment {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Moment(milliseconds: time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
    }

    static func < (left: Moment, right: Moment) -> Bool { left.milliseconds < right.milliseconds }

    func adding(_ seconds: Double) -> Moment {
        Moment(milliseconds: milliseconds + Int(seconds * 1000))
    }

    /// RFC 3339, UTC, with milliseconds: the one form the server may answer with.
    var text: String {
        var time = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&time, &parts)
        let fields = [
            (Int(parts.tm_year) + 1900, 4, "-"), (Int(parts.tm_mon) + 1, 2, "-"), (Int(parts.tm_mday), 2, "T"),
            (Int(parts.tm_hour), 2, ":"), (Int(parts.tm_min), 2, ":"), (Int(parts.tm_sec), 2, "."),
            (milliseconds % 1000, 3, "Z"),
        ]
        return fields.map { padded($0.0, $0.1) + $0.2 }.joined()
    }

    /// `nil` unless `text` is exactly of the form that ``text`` writes.
    init?(_ text: String?) {
        guard let text, text.utf8.count == 24, text.hasSuffix("Z") else { return nil }
        let numbers = text.utf8.dropLast().split { !(0x30...0x39).contains($0) }
            .compactMap { Int(String(decoding: Array($0), as: UTF8.self)) }
        guard numbers.count == 7 else { return nil }
        var parts = tm()
        parts.tm_year = Int32(numbers[0] - 1900)
        parts.tm_mon = Int32(numbers[1] - 1)
        parts.tm_mday = Int32(numbers[2])
        parts.tm_hour = Int32(numbers[3])
        parts.tm_min = Int32(numbers[4])
        parts.tm_sec = Int32(numbers[5])
        milliseconds = timegm(&parts) * 1000 + numbers[6]
        guard self.text == text else { return nil }
    }

    init(milliseconds: Int) {
        self.milliseconds = milliseconds
    }
}

/// `number` with zeros in front.
func padded(_ number: Int, _ digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
