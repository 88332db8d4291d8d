import ApusCore
import Testing

@Suite struct AddressRangeTests {
    @Test(arguments: [
        ("203.0.113.10", "203.0.113.10"), ("10.0.0.0/8", "10.255.255.255"), ("10.1.2.3/8", "10.200.0.1"),
        ("0.0.0.0/0", "255.255.255.255"), ("192.168.1.128/25", "192.168.1.255"), ("1.2.3.4/32", "1.2.3.4"),
        ("::1", "::1"), ("::1", "0:0:0:0:0:0:0:1"), ("2001:db8::/32", "2001:DB8:ffff::1"), ("::/0", "fe80::1"),
        ("::", "0::0"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
        ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ("1.2.3.4", "::ffff:1.2.3.4"), ("1.2.3.4", "::FFFF:102:304"), ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::ffff:10.0.0.0/104", "10.9.8.7"), ("::ffff:0:0/96", "9.9.9.9"), ("10.0.0.0/8", "::ffff:10.1.1.1"),
    ])
    func `an address of the range is in it`(range: String, address: String) throws {
        #expect(try #require(AddressRange(range)).contains(address))
    }

    @Test(arguments: [
        ("203.0.113.10", "203.0.113.11"), ("10.0.0.0/8", "11.0.0.0"), ("192.168.1.128/25", "192.168.1.127"),
        ("::1", "::2"), ("2001:db8::/32", "2001:db9::"), ("::1", "0.0.0.1"), ("::/0", "1.2.3.4"),
        ("0.0.0.0/0", "::1"), ("::/0", "::ffff:1.2.3.4"), ("10.0.0.0/8", ""), ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/8", "localhost"), ("10.0.0.0/8", "010.0.0.1"), ("10.0.0.0/8", " 10.0.0.1"),
    ])
    func `an address outside the range, or none at all, is not in it`(range: String, address: String) throws {
        #expect(try #require(AddressRange(range)).contains(address) == false)
    }

    @Test(arguments: [
        "", "/", "/8", "10", "10.0.0", "10.0.0.0.0", "10.0.0.256", "10.0.0.-1", "10.0.0.+1", "01.2.3.4", "1.2.3.4/",
        "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/08", "1.2.3.4/8/8", "1.2.3.4 ", "0x7f.0.0.1", "1..2.3", ".1.2.3", "::/129",
        "::1/1000", ":", ":::", "1:2", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "12345::", "g::", "+1::", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1.2.3.4::", "::1.2.3", "::1.2.3.4:5",
        "1:2:3:4:5:6:7:1.2.3.4", "fe80::1%eth0", "[::1]", "::ffff:1.2.3.4/95", "::ffff:1.2.3.4/129", "host.example",
        "1.2.3.4\0", "１.2.3.4",
    ])
    func `text that is no address and no range is refused`(text: String) {
        #expect(AddressRange(text) == nil)
    }

    @Test func `two spellings of one range are equal`() {
        #expect(AddressRange("10.1.2.3/8") == AddressRange("::ffff:10.0.0.0/104"))
        #expect(AddressRange("2001:db8::1/32") == AddressRange("2001:0DB8::/32"))
        #expect(AddressRange("10.0.0.0/8") != AddressRange("10.0.0.0/9"))
    }

    @Test func `random text never stops the parser`() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("0123456789abcdef:./%+- \u{e9}")
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int.random(in: 0...24, using: &generator)).map { _ in
                    alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
                })
            guard let range = AddressRange(text) else { continue }
            #expect(text.contains("/") || range.contains(text), "\(text)")
        }
    }
}

@Suite struct ClientAddressTests {
    private let proxies = [AddressRange("10.0.0.0/8"), AddressRange("::1")].compactMap(\.self)

    private func client(_ peer: String, _ forwardedFor: String...) -> String {
        ClientAddress.resolve(peer: peer, forwardedFor: forwardedFor, trusted: proxies)
    }

    @Test func `without a trusted proxy the header counts for nothing`() {
        #expect(client("203.0.113.1", "198.51.100.1") == "203.0.113.1")
        #expect(ClientAddress.resolve(peer: "10.0.0.1", forwardedFor: ["1.1.1.1"], trusted: []) == "10.0.0.1")
    }

    @Test func `behind a trusted proxy the rightmost untrusted hop is the client`() {
        #expect(client("10.0.0.1", "198.51.100.1") == "198.51.100.1")
        #expect(client("10.0.0.1", "6.6.6.6, 198.51.100.1") == "198.51.100.1")
        #expect(client("10.0.0.1", "6.6.6.6, 198.51.100.1 ,10.0.0.2,\t10.0.0.3") == "198.51.100.1")
        #expect(client("::1", "2001:DB8::0:1") == "2001:db8::1")
    }

    @Test func `several headers are one list`() {
        #expect(client("10.0.0.1", "6.6.6.6", "198.51.100.1, 10.0.0.2") == "198.51.100.1")
        #expect(client("10.0.0.1", "198.51.100.1", "10.0.0.2") == "198.51.100.1")
    }

    @Test func `a hop that is no address ends the search at the last good one`() {
        #expect(client("10.0.0.1", "198.51.100.1, unknown, 10.0.0.2") == "10.0.0.2")
        #expect(client("10.0.0.1", "unknown") == "10.0.0.1")
        #expect(client("10.0.0.1", "198.51.100.1,") == "10.0.0.1")
        #expect(client("10.0.0.1", "") == "10.0.0.1")
        #expect(client("10.0.0.1", "10.0.0.7\r\nX: y") == "10.0.0.1")
    }

    @Test func `a port behind a hop is passed over`() {
        #expect(client("10.0.0.1", "198.51.100.1:4711") == "198.51.100.1")
        #expect(client("10.0.0.1", "[2001:db8::1]:80, 10.0.0.2:1, [::1]:65535") == "2001:db8::1")
        #expect(client("10.0.0.1", "[2001:db8::1]") == "2001:db8::1")
        for broken in [
            "198.51.100.1:", "198.51.100.1:x", "198.51.100.1:123456", "[198.51.100.1]:80", "[2001:db8::1",
            "[2001:db8::1]x", "[2001:db8::1]:", "[]:80", ":80", "[", "]:80",
        ] {
            #expect(client("10.0.0.1", broken) == "10.0.0.1", "\(broken)")
        }
    }

    @Test func `clients are counted by address, with IPv6 by network, and not on the loopback`() {
        #expect(ClientAddress.network(of: "198.51.100.1") == "198.51.100.1")
        #expect(ClientAddress.network(of: "2001:db8:1:2:3::4") == "2001:db8:1:2::")
        #expect(ClientAddress.network(of: "::ffff:198.51.100.1") == "198.51.100.1")
        for none in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "", "unix:/run/socket"] {
            #expect(ClientAddress.network(of: none) == nil, "\(none)")
        }
    }

    @Test func `if every hop is trusted the farthest is the client`() {
        #expect(client("10.0.0.1", "10.0.0.3, 10.0.0.2") == "10.0.0.3")
        #expect(client("10.0.0.1") == "10.0.0.1")
    }

    @Test func `mapped addresses come out as IPv4, and a peer without an address as it is`() {
        #expect(client("::ffff:203.0.113.1", "1.1.1.1") == "203.0.113.1")
        #expect(client("::ffff:10.0.0.1", "::ffff:198.51.100.1") == "198.51.100.1")
        #expect(client("unix:/run/socket", "1.1.1.1") == "unix:/run/socket")
    }

    @Test(arguments: [
        ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("1:0:2:0:0:3:0:0", "1:0:2::3:0:0"), ("::", "::"),
        ("::1", "::1"),
        ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"), ("fe80::", "fe80::"),
    ])
    func `one IPv6 address always reads the same`(written: String, canonical: String) {
        #expect(ClientAddress.resolve(peer: written, forwardedFor: [], trusted: []) == canonical)
    }
}
