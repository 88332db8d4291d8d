import Testing

@testable import ApusBench

/// What a socket that was closed may say it has seen.
@Suite struct FrameScannerTests {
    private let hello = frame(#"{"type":"hello","user_id":"u","epoch":"e","seq":0}"#)

    private static func frame(_ text: String) -> [UInt8] { [0x81, UInt8(text.utf8.count)] + Array(text.utf8) }

    private func event(_ sequence: Int) -> [UInt8] {
        Self.frame(#"{"type":"data.updated","seq":\#(sequence),"data":{"key":"k","value":1234567890}}"#)
    }

    @Test func `an event of which a byte is missing was not seen`() throws {
        let bytes = hello + event(1) + event(2)
        for cut in hello.count...bytes.count {
            var scanner = FrameScanner(isVerifying: true)
            let progress = try scanner.take(bytes, count: cut)
            #expect(scanner.lastWholeSequence == progress.events)
            #expect(progress.events == (cut == bytes.count ? 2 : cut - hello.count >= event(1).count ? 1 : 0))
        }
    }

    @Test func `the code of a close is kept, with what came before it`() throws {
        let bytes = hello + event(1) + [0x88, 2, 0x03, 0xF5]
        var scanner = FrameScanner(isVerifying: true)
        #expect(throws: BenchError.self) { try scanner.take(bytes, count: bytes.count) }
        #expect(scanner.closeCode == 1013 && scanner.lastWholeSequence == 1)
    }

    @Test func `who comes back must get the change after the last one seen, and an acknowledgement is no event`() throws
    {
        let start = hello + Self.frame(#"{"type":"ack","id":1}"#)
        var scanner = FrameScanner(since: 4)
        let good = start + event(5) + Self.frame(#"{"type":"current","seq":5}"#)
        #expect(try scanner.take(good, count: good.count).events == 1)
        #expect(scanner.isAcknowledged && scanner.isCurrent == true)
        var other = FrameScanner(since: 4)
        let bad = start + event(6)
        #expect(throws: BenchError.self) { try other.take(bad, count: bad.count) }
    }
}
