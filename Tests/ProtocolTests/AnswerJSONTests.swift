import ApusCore
import Foundation
import NIOCore
import Testing

@testable import ApusProtocol

/// The bytes that go out, member for member as the contract has them.
@Suite struct AnswerJSONTests {
    @Test func `a record has its eight members in order`() throws {
        let live = try record(expiresAt: moment)
        #expect(
            ByteBuffer.text { $0.writeRecord(live) }
                == #"{"user_id":"u1","collection":"profile","key":"theme","value":{"mode":"dark"},"#
                + #""updated_at":"2024-01-01T12:34:56.000Z","deleted_at":null,"#
                + #""expires_at":"2024-01-01T12:34:56.789Z","seq":42}"#)
        let tombstone = try record(nil, deletedAt: moment, sequence: .max)
        #expect(
            ByteBuffer.text { $0.writeRecord(tombstone) }
                == #"{"user_id":"u1","collection":"profile","key":"theme","value":null,"#
                + #""updated_at":"2024-01-01T12:34:56.000Z","deleted_at":"2024-01-01T12:34:56.789Z","#
                + #""expires_at":null,"seq":9223372036854775807}"#)
    }

    @Test func `a value goes out with the bytes it came in with`() throws {
        for value in [#"{ "b":1.0, "a" : -0, "b":2 }"#, "1e400", #""\u00e9é""#, "9007199254740993", "null"] {
            let written = try record(value)
            let text = ByteBuffer.text { $0.writeRecord(written) }
            #expect(text.contains(#""value":\#(value),"updated_at""#))
        }
    }

    @Test func `names are escaped, so that no name can break out of its string`() throws {
        let odd = try record("1", owner: #"a"b\c"#, collection: "é/😀", key: "e\u{301}\u{2028}")
        let text = ByteBuffer.text { $0.writeRecord(odd) }
        #expect(
            text.hasPrefix(
                "{\"user_id\":\"a\\\"b\\\\c\",\"collection\":\"é/😀\",\"key\":\"e\u{301}\u{2028}\",\"value\":1,"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["user_id"] as? String == #"a"b\c"#)
    }

    @Test func `an event of a change holds the record`() throws {
        let change = Change(record: try record())
        #expect(
            ByteBuffer.text { $0.writeMessage(.event(change)) }
                == #"{"type":"data.updated","seq":42,"data":{"user_id":"u1","collection":"profile","key":"theme","#
                + #""value":{"mode":"dark"},"updated_at":"2024-01-01T12:34:56.000Z","deleted_at":null,"#
                + #""expires_at":null,"seq":42}}"#)
    }

    @Test func `an event of a deletion holds its time, and says when it is an expiry`() throws {
        let tombstone = try record(nil, deletedAt: moment, sequence: 43)
        let data =
            #""data":{"user_id":"u1","collection":"profile","key":"theme","#
            + #""deleted_at":"2024-01-01T12:34:56.789Z","seq":43}}"#
        #expect(
            ByteBuffer.text { $0.writeMessage(.event(Change(record: tombstone))) }
                == #"{"type":"data.deleted","seq":43,"# + data)
        #expect(
            ByteBuffer.text { $0.writeMessage(.event(Change(record: tombstone, isExpiry: true))) }
                == #"{"type":"data.deleted","seq":43,"reason":"expired","# + data)
    }

    @Test func `hello, current, reset and ack are what the contract says`() throws {
        let user = try OwnerID("u\"1")
        let id = JSONText(validated: ByteBuffer(string: #"{"n": 1}"#))
        let messages: [(ServerMessage, String)] = [
            (
                .hello(
                    Hello(
                        user: user, epoch: Epoch("e1"), sequence: .zero, time: moment, heartbeatMilliseconds: 25_000,
                        isCurrent: true)),
                #"{"type":"hello","user_id":"u\"1","epoch":"e1","seq":0,"server_time":"2024-01-01T12:34:56.789Z","#
                    + #""heartbeat_ms":25000}"#
            ),
            (.current(SequenceNumber(7), id: nil), #"{"type":"current","seq":7}"#),
            (.current(SequenceNumber(7), id: id), #"{"type":"current","id":{"n": 1},"seq":7}"#),
            (.reset(.purged, id: nil), #"{"type":"reset","reason":"purged"}"#),
            (.reset(.future, id: id), #"{"type":"reset","id":{"n": 1},"reason":"future"}"#),
            (.reset(.otherEpoch, id: nil), #"{"type":"reset","reason":"other-epoch"}"#),
            (.expiring(moment), #"{"type":"auth.expiring","expires_at":"2024-01-01T12:34:56.789Z"}"#),
            (.acknowledged(.plain, id: nil), #"{"type":"ack"}"#),
            (.acknowledged(.plain, id: id), #"{"type":"ack","id":{"n": 1}}"#),
            (.acknowledged(.streaming(after: SequenceNumber(7)), id: id), #"{"type":"ack","id":{"n": 1},"seq":7}"#),
            (
                .acknowledged(.renewed(until: moment), id: nil),
                #"{"type":"ack","expires_at":"2024-01-01T12:34:56.789Z"}"#
            ),
            (
                .acknowledged(.answer(ByteBuffer(string: #"{"applied":true,"data":{}}"#)), id: id),
                #"{"type":"ack","id":{"n": 1},"applied":true,"data":{}}"#
            ),
            (
                .error(ApusError(.notFound, "no \"x\""), id: id, requestID: "r1"),
                #"{"type":"error","id":{"n": 1},"error":{"type":"about:blank","title":"Not Found","status":404,"#
                    + #""detail":"no \"x\"","code":"not-found","request_id":"r1"}}"#
            ),
        ]
        for (message, text) in messages { #expect(ByteBuffer.text { $0.writeMessage(message) } == text) }
    }

    @Test func `a problem has the members of RFC 9457 and ours, and never its cause`() {
        var error = ApusError(
            .clockSkew, "too far ahead", fields: [.init(pointer: "/items/0/updated_at", detail: "too\nfar")],
            cause: "SELECT secret FROM disk")
        error.serverTime = moment
        error.retryAfterSeconds = 5
        #expect(
            ByteBuffer.text { $0.writeProblem(error, requestID: "r-1") }
                == #"{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"too far ahead","#
                + #""code":"clock-skew","request_id":"r-1","server_time":"2024-01-01T12:34:56.789Z","#
                + #""errors":[{"pointer":"/items/0/updated_at","detail":"too\nfar"}]}"#)
        #expect(
            ByteBuffer.text { $0.writeProblem(.storageFull(cause: "ENOSPC /secret"), requestID: "") }
                == #"{"type":"about:blank","title":"Insufficient Storage","status":507,"#
                + #""detail":"the storage has no space left; nothing was written","#
                + #""code":"storage-full","request_id":""}"#
        )
    }

    @Test func `every code has the status the contract gives it`() {
        let statuses: [String: Int] = [
            "malformed-json": 400, "bad-parameter": 400, "bad-cursor": 400, "unauthenticated": 401,
            "token-expired": 401,
            "token-revoked": 401, "forbidden": 403, "ip-not-allowed": 403, "origin-not-allowed": 403, "not-found": 404,
            "method-not-allowed": 405, "request-timeout": 408, "conflict": 422, "resync-required": 410,
            "precondition-failed": 412, "body-too-large": 413, "value-too-large": 413, "too-many-items": 413,
            "uri-too-long": 414, "unsupported-media-type": 415, "invalid-field": 422, "clock-skew": 422,
            "not-numeric": 422, "upgrade-required": 426, "rate-limited": 429, "headers-too-large": 431,
            "overloaded": 503,
            "storage-unavailable": 503, "storage-full": 507,
        ]
        for code in ApusError.Code.allCases {
            #expect(statuses[code.rawValue] == code.status, "\(code)")
            #expect(!code.title.isEmpty && (code.title == "Insufficient Storage") == (code.status == 507), "\(code)")
        }
    }

    @Test func `a write's answer says what became of each item`() throws {
        let stored = try record("1")
        let data = ByteBuffer.text { $0.writeRecord(stored) }
        let problem = ByteBuffer.text { $0.writeProblem(ApusError(.notFound, "no"), requestID: "r") }
        let results: [WriteResult] = [
            .applied(stored), .lost(.older, stored: stored), .lost(.unchanged, stored: stored),
            .lost(.notGreater, stored: stored), .failed(ApusError(.notFound, "no")),
        ]
        let texts = [
            #"{"applied":true,"data":\#(data)}"#, #"{"applied":false,"reason":"older","data":\#(data)}"#,
            #"{"applied":false,"reason":"unchanged","data":\#(data)}"#,
            #"{"applied":false,"reason":"not-greater","data":\#(data)}"#, #"{"error":\#(problem)}"#,
        ]
        for (result, text) in zip(results, texts) {
            #expect(ByteBuffer.text { $0.writeResult(result, requestID: "r") } == text)
        }
        #expect(
            ByteBuffer.text { $0.writeBulkAnswer(results, requestID: "r") }
                == #"{"applied":1,"results":[\#(texts.joined(separator: ","))]}"#)
        #expect(ByteBuffer.text { $0.writeBulkAnswer([], requestID: "r") } == #"{"applied":0,"results":[]}"#)
    }

    @Test func `a page has its records, the next cursor and whether there is more`() throws {
        let stored = try record("1")
        let data = ByteBuffer.text { $0.writeRecord(stored) }
        #expect(
            ByteBuffer.text { $0.writePage([stored, stored], nextCursor: "a-b_", hasMore: true) }
                == #"{"data":[\#(data),\#(data)],"next_cursor":"a-b_","has_more":true}"#)
        #expect(
            ByteBuffer.text { $0.writePage([], nextCursor: nil, hasMore: false) }
                == #"{"data":[],"next_cursor":null,"has_more":false}"#)
    }
}
