import Testing

/// RFC 6455 over a real connection, as a table: what is sent, in one piece and byte by byte, and what comes back.
@Suite(.serialized) struct SocketConformanceTests {
    let user: TestUser

    init() throws { user = TestUser(try RunningServer.shared()) }

    /// Longer rows are sent in pieces of a size that no boundary in them divides.
    private static let rowBytesByByte = 700

    @Test(arguments: ConformanceRow.framing) func framing(row: ConformanceRow) throws { try check(row) }
    @Test(arguments: ConformanceRow.control) func `pings and pongs`(row: ConformanceRow) throws { try check(row) }
    @Test(arguments: ConformanceRow.reserved) func `what is reserved`(row: ConformanceRow) throws { try check(row) }
    @Test(arguments: ConformanceRow.fragments) func fragments(row: ConformanceRow) throws { try check(row) }
    @Test(arguments: ConformanceRow.goodText) func `text that is UTF-8`(row: ConformanceRow) throws { try check(row) }
    @Test(arguments: ConformanceRow.badText) func `text that is not`(row: ConformanceRow) throws { try check(row) }
    @Test(arguments: ConformanceRow.closing) func closing(row: ConformanceRow) throws { try check(row) }
    @Test(arguments: ConformanceRow.limits) func limits(row: ConformanceRow) throws { try check(row) }

    private func check(_ row: ConformanceRow) throws {
        try check(row, packetBytes: row.sent.count)
        guard row.sent.count > 1 else { return }
        try check(row, packetBytes: row.sent.count <= Self.rowBytesByByte ? 1 : 8191)
    }

    /// Sends the row, and a goodbye at the end, so that whatever the row does not expect is seen.
    private func check(_ row: ConformanceRow, packetBytes: Int) throws {
        let socket = try user.listening()
        do {
            for start in stride(from: 0, to: row.sent.count, by: max(1, packetBytes)) {
                try socket.socket.send(Array(row.sent[start..<min(start + packetBytes, row.sent.count)]))
            }
        } catch SocketFailure.closed {
            try #require(row.endsInClose, "closed while \(row) was sent")
        }
        for expected in row.expected { #expect(try socket.reply() == expected, "in packets of \(packetBytes)") }
        if row.endsInClose {
            do { try socket.sendClose(1000) } catch SocketFailure.closed {}
            // Otherwise the server would wait for the rest of it.
            if row.endsWithinFrame { socket.socket.finishSending() }
        } else {
            try socket.send(pingText("\"still there\""))
            #expect(try socket.reply() == .ack("\"still there\""), "in packets of \(packetBytes)")
            try socket.sendClose(1000)
            #expect(try socket.reply() == .close(1000), "in packets of \(packetBytes)")
        }
        #expect(try socket.reply() == nil, "in packets of \(packetBytes)")
    }
}
