import Testing

/// Exports of much, by clients that take their time, while others write.
@Suite(.serialized) struct ExportPressureTests {
    private let key = ("X-Admin-Api-Key", TestSecret.adminKey)

    /// A client that asks for everything and takes only the head.
    private func begin(_ server: RunningServer) throws -> (connection: HTTPConnection, head: HTTPAnswer) {
        let connection = try HTTPConnection(port: server.port, receiveBytesMax: 1 << 16)
        try connection.send("GET", "/admin/export/data.json", headers: [key])
        return (connection, try connection.readHead())
    }

    /// More than what fits between a server and a client that does not read.
    private func fill(_ server: RunningServer) throws -> Int {
        let user = TestUser(server)
        let count = 40
        let value = "\"\(String(repeating: "v", count: 1 << 19))\""
        for index in 0..<count { #expect(try user.put("\(index)", value).status == 200) }
        return count
    }

    @Test func `the third export at once is refused, and a client that goes makes room`() throws {
        let server = try RunningServer()
        let count = try fill(server)
        var clients = try (0..<2).map { _ in try begin(server) }
        #expect(clients.allSatisfy { $0.head.status == 200 })
        let refused = try server.admin("GET", "/admin/export/users.json")
        try expectProblem(refused, 503, "overloaded")
        #expect(Int(refused["retry-after"] ?? "") != nil)
        #expect(try server.call("GET", "/health").status == 200)
        clients.removeLast()
        #expect(try eventually { try server.admin("GET", "/admin/export/users.json").status == 200 })
        let whole = try clients[0].connection.readBody(behind: clients[0].head)
        #expect(whole.body.suffix(3).elementsEqual("\n]\n".utf8))
        #expect(whole.body.count { $0 == 0x0A } == count + 2)
    }

    @Test func `a server that stops does not wait for an export, whose client sees that it is not whole`() throws {
        let server = try RunningServer()
        _ = try fill(server)
        let client = try begin(server)
        #expect(client.head.status == 200)
        #expect(server.terminate() == Program.Ending(code: 0))
        #expect(throws: SocketFailure.self) { try client.connection.readBody(behind: client.head) }
    }

    @Test func `what is written while a client takes its time is not in its export`() throws {
        let server = try RunningServer()
        let user = TestUser(server)
        func write(_ letter: String) throws {
            let value = "\"\(String(repeating: letter, count: 1 << 18))\""
            #expect(try user.bulk((0..<50).map { item("\($0)", value) }).status == 200)
        }
        try write("a")
        let client = try begin(server)
        try write("b")
        #expect(try user.delete("7").status == 200)
        let whole = try client.connection.readBody(behind: client.head).text
        #expect(whole.hasSuffix("\n]\n") && whole.split(separator: "\n").count == 52)
        #expect(whole.contains("aaa") && !whole.contains("bbb"))
        #expect(try server.admin("GET", "/admin/export/data.json").text.split(separator: "\n").count == 51)
    }

    @Test func `an export is one moment's state, however much is written meanwhile`() async throws {
        let server = try RunningServer()
        let user = TestUser(server, id: "u")
        let count = 2500
        @Sendable func write(_ number: Int) throws {
            // In turns, so that what is read page by page moves under the reader.
            let keys = number.isMultiple(of: 2) ? Array(0..<count) : Array((0..<count).reversed())
            #expect(try user.bulk(keys.map { item("\($0)", "\(number)") }).status == 200)
        }
        try write(0)
        let hasEnded = Background {
            for number in 1...40 { try write(number) }
            return true
        }
        var seen: Set<String> = []
        var exports = 0
        repeat {
            let records = try server.admin("GET", "/admin/export/data.json").json().items
            let values = Set(records.map { $0["value"].raw })
            #expect(values.count == 1 && records.count == count, "\(values) in \(records.count) records")
            #expect(Set(records.compactMap { $0["key"].text }).count == count)
            seen.formUnion(values)
            exports += 1
        } while !hasEnded.isFinished
        #expect(try hasEnded.wait())
        #expect(seen.count > 1, "\(exports) exports saw nothing change")
    }
}
