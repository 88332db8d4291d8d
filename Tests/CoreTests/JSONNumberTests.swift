import ApusTesting
import NIOCore
import Testing

@testable import ApusCore

@Suite struct JSONNumberTests {
    private func number(_ text: String) throws -> JSONNumber {
        try #require(try JSONText(text).number(at: .whole), "\(text)")
    }

    @Test func `numbers keep their exact order where floating point loses it`() throws {
        let ascending = [
            "-1.7976931348623157e308", "-1e300", "-9007199254740993", "-9007199254740992", "-100", "-99.9", "-1.1",
            "-1.01",
            "-1", "-0.9", "-1e-5", "-1e-400", "0", "1e-400", "2e-400", "1e-5", "0.00001000000000000000000000000001",
            "0.1",
            "0.10000000000000000001", "0.9", "1", "1.0000000000000000000000001", "1.01", "9", "9.99", "10", "99", "100",
            "101",
            "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616", "1e20", "123456789012345678901234567890", "123456789012345678901234567891", "1e300",
            "1.7976931348623157e308",
        ]
        let numbers = try ascending.map(number)
        for (index, left) in numbers.enumerated() {
            for (otherIndex, right) in numbers.enumerated() {
                #expect((left < right) == (index < otherIndex), "\(ascending[index]) < \(ascending[otherIndex])")
                #expect((left == right) == (index == otherIndex), "\(ascending[index]) == \(ascending[otherIndex])")
            }
        }
    }

    @Test(arguments: [
        ["0", "-0", "0.0", "-0.000", "0e5", "0E-5", "-0e400", "0e99999999999999999999", "0.0e-99999999999999999999"],
        ["1", "1.0", "1e0", "10e-1", "0.1e1", "0.01E+2", "100.000e-2", "1000000000000000000000e-21"],
        ["100", "1e2", "1.0E+2", "100.0", "0.1e3", "10000e-2"], ["-12.5", "-125e-1", "-1.25e1", "-0.0125e3", "-12.50"],
        ["1e-400", "10e-401", "0.1e-399"],
    ])
    func `spellings of one number are equal`(spellings: [String]) throws {
        let first = try number(spellings[0])
        for spelling in spellings {
            let other = try number(spelling)
            #expect(first == other && !(first < other) && !(other < first), "\(spelling)")
        }
    }

    @Test(arguments: [
        "1e309", "-1e309", "1e400", "1.8e308", "1e99999999999999999999999999", "9999e9999999999999999999",
    ])
    func `a number beyond floating point is none to compare`(text: String) throws {
        #expect(try JSONText(text).number(at: .whole) == nil)
    }

    @Test func `a number of a thousand digits and exponents of a thousand digits are read`() throws {
        let many = String(repeating: "9", count: 1000)
        #expect(try JSONText(many).number(at: .whole) == nil)
        #expect(try number("0." + many) < number("1"))
        #expect(try number("0." + many) > number("0." + many.dropLast()))
        #expect(try number("1e-" + many) > number("0"))
        #expect(try number("1e-" + many) < number("1e-400"))
        #expect(try JSONText("1e" + many).number(at: .whole) == nil)
        #expect(try number("0." + String(repeating: "0", count: 1000) + "1e1001") == number("1"))
    }

    @Test(arguments: ["\"1\"", "true", "null", "[1]", "{\"a\":1}"])
    func `what is no number is none`(text: String) throws {
        #expect(try JSONText(text).number(at: .whole) == nil)
    }

    /// Decimals with up to 8 digits on both sides of the point fit an integer of hundred-millionths.
    @Test(arguments: Seeds.all)
    func `random decimals are ordered like whole numbers of their smallest unit`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        for _ in 0..<2000 {
            let left = Self.randomDecimal(&random)
            let right =
                Bool.random(using: &random)
                ? Self.randomDecimal(&random)
                : Self.spelled(left.units + Int64.random(in: -1...1, using: &random), &random)
            let (first, second) = (try number(left.text), try number(right.text))
            #expect((first < second) == (left.units < right.units), "seed \(seed): \(left.text) < \(right.text)")
            #expect((first == second) == (left.units == right.units), "seed \(seed): \(left.text) == \(right.text)")
        }
    }

    private static func randomDecimal(_ random: inout SplitMix64) -> (text: String, units: Int64) {
        let digits = Int.random(in: 1...16, using: &random)
        let bound = (0..<digits).reduce(Int64(1)) { power, _ in power * 10 }
        return spelled(Int64.random(in: -bound...bound, using: &random), &random)
    }

    /// One of the many spellings of `units` hundred-millionths.
    private static func spelled(_ units: Int64, _ random: inout SplitMix64) -> (text: String, units: Int64) {
        let sign = units < 0 ? "-" : ""
        var digits = String(units.magnitude)
        var exponent = -8
        for _ in 0..<(units == 0 ? 0 : Int.random(in: 0...3, using: &random)) {
            digits += "0"
            exponent -= 1
        }
        let decimals = Int.random(in: 0...digits.count + 2, using: &random)
        digits = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        exponent += decimals
        let point = decimals == 0 ? digits : "\(digits.dropLast(decimals)).\(digits.suffix(decimals))"
        let plus = Bool.random(using: &random) && exponent >= 0 ? "+" : ""
        let letter = Bool.random(using: &random) ? "e" : "E"
        return (sign + point + (exponent == 0 ? "" : letter + plus + String(exponent)), units)
    }
}
