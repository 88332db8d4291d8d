import ApusTesting
import Foundation
import NIOCore
import Testing

@testable import ApusCore

@Suite struct TimestampTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.001Z", 1), ("1969-12-31T23:59:59.999Z", -1),
        ("2024-01-01T12:34:56.000Z", 1_704_112_496_000), ("2000-02-29T00:00:00Z", 951_782_400_000),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999), ("0000-01-01T00:00:00Z", -62_167_219_200_000),
        ("0000-02-29T00:00:00Z", -62_162_121_600_000), ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("1600-02-29T00:00:00Z", -11_670_998_400_000), ("1970-01-01t00:00:00z", 0), ("1970-01-01 00:00:00Z", 0),
        // Offsets.
        ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T19:00:00-05:00", 0), ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T23:59:00+23:59", 0), ("1970-01-01T05:45:00.5+05:45", 500), ("1970-01-01T00:00:00+00:01", -60_000),
        ("0000-01-01T00:00:00-00:01", -62_167_219_140_000), ("9999-12-31T23:59:59+00:01", 253_402_300_739_000),
        // Decimals past the third are cut off.
        ("1970-01-01T00:00:00.1Z", 100), ("1970-01-01T00:00:00.12Z", 120), ("1970-01-01T00:00:00.1239Z", 123),
        ("1970-01-01T00:00:00.999999999999999999999999Z", 999), ("1970-01-01T00:00:00.0000Z", 0),
        ("1969-12-31T23:59:59.0019Z", -999),
        // A leap second is the next minute's start.
        ("2016-12-31T23:59:60Z", 1_483_228_800_000), ("2016-12-31T23:59:60.5Z", 1_483_228_800_500),
        ("2017-01-01T00:59:60+01:00", 1_483_228_800_000),
    ])
    func `RFC 3339 times are read`(text: String, milliseconds: Int64) {
        #expect(Timestamp(text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", " ", "now", "0", "1704112496000", "2024", "2024-01-01", "2024-01-01T12:34Z", "2024-01-01T12:34:56",
        "2024-01-01T12:34:56.Z", "2024-01-01T12:34:56,5Z", "2024-01-01T12:34:56Z ", " 2024-01-01T12:34:56Z",
        "2024-01-01T12:34:56ZZ", "2024-01-01T12:34:56+0100", "2024-01-01T12:34:56+01", "2024-01-01T12:34:56+1:00",
        "2024-01-01T12:34:56+24:00", "2024-01-01T12:34:56+01:60", "2024-01-01T12:34:56 Z", "2024-01-01T12:34:56UTC",
        "2024-00-01T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-00T00:00:00Z", "2024-01-32T00:00:00Z",
        "2024-04-31T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-01-01T24:00:00Z", "2024-01-01T23:60:00Z", "2024-01-01T23:59:61Z", "24-01-01T00:00:00Z",
        "12024-01-01T00:00:00Z",
        "-2024-01-01T00:00:00Z", "+2024-01-01T00:00:00Z", "2024-1-1T0:0:0Z", "2024/01/01T00:00:00Z", "20240101T000000Z",
        "2024-01-01X00:00:00Z", "2024-01-01T00.00.00Z", "2024-01-01T-1:00:00Z", "２０２４-01-01T00:00:00Z",
        "2024-01-01T00:00:00\0Z",
        "2024-01-01T00:00:00\u{2212}01:00", "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00+00:01",
        "0000-00-00T00:00:00Z",
    ])
    func `anything else is no time`(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (1_704_112_496_007, "2024-01-01T12:34:56.007Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        // What RFC 3339 cannot write is written as the nearest it can.
        (-62_167_219_200_001, "0000-01-01T00:00:00.000Z"), (253_402_300_800_000, "9999-12-31T23:59:59.999Z"),
        (.min, "0000-01-01T00:00:00.000Z"), (.max, "9999-12-31T23:59:59.999Z"),
    ])
    func `times are written in UTC with three decimals`(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).text == text)
    }

    @Test(arguments: Seeds.all)
    func `every time is read back as it was written, and Foundation writes the same`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        // Foundation follows the Gregorian reform of 1582; ours is the calendar of RFC 3339, which has none.
        let reform: Int64 = -12_219_292_800_000
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for _ in 0..<3000 {
            let time = Timestamp(milliseconds: .random(in: Timestamp.bounds, using: &random))
            #expect(Timestamp(time.text) == time, "seed \(seed)")
            guard time.milliseconds > reform else { continue }
            // Half a millisecond keeps a floating-point date from being cut to the one before.
            let date = Date(timeIntervalSince1970: (Double(time.milliseconds) + 0.25) / 1000)
            #expect(date.formatted(style) == time.text, "seed \(seed)")
        }
    }

    @Test func `every day of 800 years has its own number, in order`() throws {
        var day = Timestamp.daysSince1970(year: 1600, month: 1, day: 1)
        for year in 1600..<2400 {
            for month in 1...12 {
                for dayOfMonth in 1...Timestamp.days(inMonth: month, of: year) {
                    try #require(Timestamp.daysSince1970(year: year, month: month, day: dayOfMonth) == day)
                    try #require(Timestamp.civil(daysSince1970: day) == (year, month, dayOfMonth))
                    day += 1
                }
            }
        }
    }

    @Test func `whole seconds are rounded down, before 1970 too`() {
        #expect(Timestamp(milliseconds: 1999).seconds == 1)
        #expect(Timestamp(milliseconds: 0).seconds == 0)
        #expect(Timestamp(milliseconds: -1).seconds == -1)
        #expect(Timestamp(milliseconds: -1000).seconds == -1)
        #expect(Timestamp(milliseconds: -1001).seconds == -2)
    }
}
