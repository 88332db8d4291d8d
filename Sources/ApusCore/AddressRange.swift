/// An IP address or a CIDR range of them (RFC 4632, RFC 4291), such as `203.0.113.10`, `10.0.0.0/8`, `2001:db8::/32`.
///
/// An IPv4-mapped IPv6 address (`::ffff:1.2.3.4`) is the IPv4 address it maps; otherwise the families never meet.
public struct AddressRange: Hashable, Sendable {
    private let first: Address
    private let prefixLength: Int

    /// `nil` for anything but an address, or an address, `/` and a prefix length. Bits past the prefix are ignored.
    public init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let written = parts.first, let address = Address(written) else { return nil }
        var length = address.bitCount
        if parts.count == 2 {
            // The prefix of an IPv4-mapped address counts the 96 bits that say so.
            let bitsLeftOut = address.isIPv4 && written.contains(UInt8(ascii: ":")) ? 96 : 0
            guard let given = Address.decimal(parts[1], digitsMax: 3), given >= bitsLeftOut,
                given - bitsLeftOut <= address.bitCount
            else { return nil }
            length = given - bitsLeftOut
        }
        first = address.masked(to: length)
        prefixLength = length
    }

    /// Whether `address` is in the range; `false` for anything that is no address.
    public func contains(_ address: String) -> Bool {
        guard let address = Address(address.utf8[...]) else { return false }
        return contains(address)
    }

    fileprivate func contains(_ address: Address) -> Bool {
        address.isIPv4 == first.isIPv4 && address.masked(to: prefixLength) == first
    }
}

/// Whose address a request counts as.
public enum ClientAddress {
    /// The peer's address, unless the peer is a trusted proxy: then the rightmost hop it tells of that is none.
    ///
    /// Hops are added on the right, so everything left of the first untrusted one may be made up by the client. A hop
    /// that is no address ends the search at the one before it; so does the end of the list. A port behind an address
    /// (`192.0.2.1:4711`, `[2001:db8::1]:4711`) is passed over.
    ///
    /// - Parameters:
    ///   - forwardedFor: the values of all `X-Forwarded-For` headers, in order.
    /// - Returns: an IPv4 address for an IPv4-mapped one; the peer as it is if it has no address.
    public static func resolve(peer: String, forwardedFor: [String], trusted: [AddressRange]) -> String {
        guard let peerAddress = Address(peer.utf8[...]) else { return peer }
        var client = peerAddress
        guard trusted.contains(where: { $0.contains(peerAddress) }) else { return client.text }
        for header in forwardedFor.reversed() {
            let hops = header.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            for hop in hops.reversed() {
                guard let address = Address(withoutPort(trimmed(hop))) else { return client.text }
                client = address
                guard trusted.contains(where: { $0.contains(address) }) else { return client.text }
            }
        }
        return client.text
    }

    /// The network whose clients are counted together: an IPv4 address itself, of an IPv6 address its /64, because that
    /// is what one client is given; `nil` for the loopback and for anything that is no address.
    public static func network(of address: String) -> String? {
        guard let address = Address(address.utf8[...]), !isLoopback(address) else { return nil }
        return address.masked(to: min(address.bitCount, 64)).text
    }

    /// Whether `address` is one of this machine's own, of which it has many.
    public static func isLoopback(_ address: String) -> Bool {
        Address(address.utf8[...]).map(isLoopback) ?? false
    }

    private static func isLoopback(_ address: Address) -> Bool {
        loopback.contains { $0.contains(address) }
    }

    private static let loopback = ["127.0.0.0/8", "::1"].compactMap { AddressRange($0) }

    private static func withoutPort(_ hop: Substring.UTF8View) -> Substring.UTF8View {
        let colon = UInt8(ascii: ":")
        if hop.first == UInt8(ascii: "["), let end = hop.firstIndex(of: UInt8(ascii: "]")) {
            let rest = hop[hop.index(after: end)...]
            let address = hop[hop.index(after: hop.startIndex)..<end]
            // Only an IPv6 address stands in brackets.
            return (rest.isEmpty || isPort(rest)) && address.contains(colon) ? address : hop
        }
        guard let end = hop.firstIndex(of: colon), isPort(hop[end...]) else { return hop }
        return hop[..<end]
    }

    private static func isPort(_ text: Substring.UTF8View) -> Bool {
        text.first == UInt8(ascii: ":") && Address.isDecimal(text.dropFirst(), digitsMax: 5)
    }

    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        var text = text
        while let byte = text.first, byte == 0x20 || byte == 0x09 { text.removeFirst() }
        while let byte = text.last, byte == 0x20 || byte == 0x09 { text.removeLast() }
        return text
    }
}

/// One address as a number.
private struct Address: Hashable {
    let bits: UInt128
    let isIPv4: Bool

    var bitCount: Int { isIPv4 ? 32 : 128 }

    private init(bits: UInt128, isIPv4: Bool) {
        self.bits = bits
        self.isIPv4 = isIPv4
    }

    /// `nil` unless `text` is dotted decimal without leading zeros, or RFC 4291, section 2.2, without a zone.
    init?(_ text: Substring.UTF8View) {
        if let number = Self.ipv4(text) {
            self.init(bits: UInt128(number), isIPv4: true)
        } else if let number = Self.ipv6(text) {
            let isMapped = number >> 32 == 0xFFFF
            self.init(bits: isMapped ? number & 0xFFFF_FFFF : number, isIPv4: isMapped)
        } else {
            return nil
        }
    }

    func masked(to length: Int) -> Address {
        let hostBits = bitCount - length
        return Address(bits: (bits >> hostBits) << hostBits, isIPv4: isIPv4)
    }

    /// Dotted decimal, or RFC 5952's form of an IPv6 address.
    var text: String {
        guard !isIPv4 else {
            return [24, 16, 8, 0].map { String(bits >> $0 & 0xFF) }.joined(separator: ".")
        }
        let groups = stride(from: 112, through: 0, by: -16).map { UInt16(truncatingIfNeeded: bits >> $0) }
        var longest = 0..<0
        var start = 0
        while start < groups.count {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start > max(longest.count, 1) { longest = start..<end }
            start = end + 1
        }
        func hex(_ groups: ArraySlice<UInt16>) -> String {
            groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !longest.isEmpty else { return hex(groups[...]) }
        return hex(groups[..<longest.lowerBound]) + "::" + hex(groups[longest.upperBound...])
    }

    static func isDecimal(_ text: Substring.UTF8View, digitsMax: Int) -> Bool {
        (1...digitsMax).contains(text.count) && text.allSatisfy(\.isDigit)
    }

    static func decimal(_ text: Substring.UTF8View, digitsMax: Int) -> Int? {
        guard (1...digitsMax).contains(text.count), text.count == 1 || text.first != UInt8(ascii: "0") else {
            return nil
        }
        var number = 0
        for byte in text {
            guard byte.isDigit else { return nil }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return number
    }

    private static func ipv4(_ text: Substring.UTF8View) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var number: UInt32 = 0
        for part in parts {
            guard let byte = decimal(part, digitsMax: 3), byte <= 255 else { return nil }
            number = number << 8 | UInt32(byte)
        }
        return number
    }

    private static func ipv6(_ text: Substring.UTF8View) -> UInt128? {
        // The longest form, with an IPv4 tail, has 45 characters.
        guard (2...45).contains(text.count) else { return nil }
        let colon = UInt8(ascii: ":")
        let gap = zip(text.indices, text.indices.dropFirst()).first { text[$0] == colon && text[$1] == colon }
        guard let gap else {
            guard let groups = groups(text), groups.count == 8 else { return nil }
            return number(groups)
        }
        let before = text[..<gap.0]
        let after = text[text.index(after: gap.1)...]
        guard !before.contains(UInt8(ascii: ".")), let head = before.isEmpty ? [] : groups(before),
            let tail = after.isEmpty ? [] : groups(after), head.count + tail.count <= 7
        else { return nil }
        return number(head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail)
    }

    /// Groups of 1 to 4 hex digits between single colons; an IPv4 address at the end counts as two.
    private static func groups(_ text: Substring.UTF8View) -> [UInt16]? {
        var groups: [UInt16] = []
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, let number = ipv4(part) {
                groups += [UInt16(number >> 16), UInt16(number & 0xFFFF)]
            } else {
                // `UInt16(_:radix:)` would also take a sign.
                guard (1...4).contains(part.count), part.first != UInt8(ascii: "+"),
                    let group = UInt16(Substring(part), radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    private static func number(_ groups: [UInt16]) -> UInt128 {
        groups.reduce(0) { $0 << 16 | UInt128($1) }
    }
}
