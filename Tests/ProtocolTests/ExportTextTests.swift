import ApusCore
import NIOCore
import Testing

@testable import ApusProtocol

/// The bytes of exported files.
@Suite struct ExportTextTests {
    private func text(_ query: ExportQuery, _ rows: ExportRows...) -> String {
        ByteBuffer.text { bytes in
            var text = ExportText(query)
            for rows in rows { text.write(rows, to: &bytes) }
            text.writeEnd(to: &bytes)
        }
    }

    private func row(_ cells: String...) -> String { ByteBuffer.text { $0.writeCSVRow(cells) } }

    @Test func `an export of nothing is an empty array, or the row of names`() {
        #expect(text(.users) == "[]\n")
        #expect(text(.records(.init()), .records([]), .records([])) == "[]\n")
        #expect(text(.audit(.init()), .audit([])) == "at,actor,action,target,ip,request_id,outcome,detail\r\n")
    }

    @Test func `users and records are an array with a row a line, however they come in pages`() throws {
        let users = ["u1", "u2", "u3"].map { id in
            User(id: OwnerID(stored: id), displayName: id == "u2" ? "Å \"q\"" : nil, createdAt: moment)
        }
        let expected = """
            [
            {"user_id":"u1","display_name":null,"created_at":"2024-01-01T12:34:56.789Z"},
            {"user_id":"u2","display_name":"Å \\"q\\"","created_at":"2024-01-01T12:34:56.789Z"},
            {"user_id":"u3","display_name":null,"created_at":"2024-01-01T12:34:56.789Z"}
            ]

            """
        #expect(text(.users, .users(users)) == expected)
        #expect(text(.users, .users([]), .users([users[0]]), .users([]), .users(Array(users[1...]))) == expected)
        let record = try record()
        let alone = ByteBuffer.text { $0.writeRecord(record) }
        #expect(text(.records(.init()), .records([record]), .records([record])) == "[\n\(alone),\n\(alone)\n]\n")
    }

    @Test func `an audit entry is a row of eight cells`() {
        let entry = AuditEntry(
            at: moment, origin: RequestOrigin(actor: "user:u1", ip: "192.0.2.1", requestID: "r-1"),
            action: "data.write", target: "u1/a,b/\"k\"", outcome: "ok", detail: "3 of 4 applied")
        #expect(
            text(.audit(.init()), .audit([entry]))
                == "at,actor,action,target,ip,request_id,outcome,detail\r\n"
                + "2024-01-01T12:34:56.789Z,user:u1,data.write,\"u1/a,b/\"\"k\"\"\",192.0.2.1,r-1,ok,3 of 4 applied\r\n"
        )
    }

    @Test func `a cell with a comma, a quote or a line end is quoted, its quotes doubled, every other stays`() {
        #expect(row("a", "", "b c") == "a,,b c\r\n")
        #expect(row("a,b") == "\"a,b\"\r\n")
        #expect(row("\"") == "\"\"\"\"\r\n")
        #expect(row("a\r\nb", "c\nd", "e\rf") == "\"a\r\nb\",\"c\nd\",\"e\rf\"\r\n")
        #expect(row("é😀\u{2028};'|\\", "e\u{301}") == "é😀\u{2028};'|\\,e\u{301}\r\n")
    }

    @Test(arguments: ["=", "+", "-", "@", "\t", "\0"])
    func `a cell that a spreadsheet would calculate is text to it`(first: String) {
        #expect(row(first) == "'\(first)\r\n")
        #expect(row("\(first)1+1", "x\(first)") == "'\(first)1+1,x\(first)\r\n")
        #expect(row("\(first)HYPERLINK(\"x\",1)") == "\"'\(first)HYPERLINK(\"\"x\"\",1)\"\r\n")
    }

    @Test func `so is one that begins with CR, and CR LF`() {
        #expect(row("\r=1") == "\"'\r=1\"\r\n")
        #expect(Array(row("\r\n=1").utf8) == Array("\"'\r\n=1\"\r\n".utf8))
        #expect(row("\n=1", "'=1", " =1") == "\"\n=1\",'=1, =1\r\n")
    }
}
