import ApusCore
import Foundation
import NIOCore
import NIOEmbedded
import Testing

@testable import ApusHTTP

@Suite struct SocketPressureTests {
    /// A client's text frame.
    private func frame(_ text: String) -> ByteBuffer {
        let count = text.utf8.count
        var bytes = ByteBuffer(bytes: [0x81])
        if count < 126 {
            bytes.writeInteger(UInt8(0x80 | count))
        } else {
            bytes.writeBytes([0xFE, UInt8(count >> 8), UInt8(count & 0xFF)])
        }
        bytes.writeBytes([0, 0, 0, 0])
        bytes.writeString(text)
        return bytes
    }

    private func set(_ id: Int) -> ByteBuffer {
        frame(#"{"type":"set","id":\#(id),"collection":"c","key":"k","value":1}"#)
    }

    private func close(_ code: Int) -> String { "8: [\(code >> 8), \(code & 0xFF)]" }

    @Test func `messages that always end in the middle of a read are no message that never ends`() throws {
        let stage = SocketStage { $0.messageSecondsMax = 1 }
        let session = try stage.session()
        let channel = try stage.connect(session)
        let ping = frame(#"{"type":"ping","id":1}"#)
        try channel.writeInbound(ping.getSlice(at: 0, length: 9))
        for _ in 0..<8 {
            Thread.sleep(forTimeInterval: 0.2)
            var bytes = ping
            bytes.moveReaderIndex(to: 9)
            bytes.writeImmutableBuffer(ping.getSlice(at: 0, length: 9) ?? ByteBuffer())
            try channel.writeInbound(bytes)
            session.tick(at: .now(), wallTime: .init(milliseconds: 0))
        }
        #expect(try channel.sentTexts().filter { $0.hasPrefix("8:") } == [])
        Thread.sleep(forTimeInterval: 1.1)
        session.tick(at: .now(), wallTime: .init(milliseconds: 0))
        #expect(try channel.sentTexts().last == close(1008), "one that does not end is ended")
    }

    @Test func `a socket is read no further while it has as many frames under way as one may`() throws {
        let stage = SocketStage()
        stage.service.holdWrites()
        let channel = try stage.connect(stage.session())
        for id in 0..<40 { try channel.writeInbound(set(id)) }
        stage.loop.run()
        #expect(stage.service.writesHeld == 16)
        stage.service.releaseWrites()
        stage.loop.run()
        let ids = try channel.sentTexts().compactMap { $0.hasPrefix(#"{"type":"error","id":"#) ? $0 : nil }
        #expect(ids.count == 40)
    }

    @Test func `a stopping server answers what a socket has asked for, takes no more, and says goodbye`() throws {
        let stage = SocketStage()
        stage.service.holdWrites()
        let session = try stage.session()
        let channel = try stage.connect(session)
        try channel.writeInbound(set(1))
        _ = try channel.sentTexts()
        session.drain()
        try channel.writeInbound(set(2))
        #expect(try channel.sentTexts() == [])
        #expect(stage.service.writesHeld == 1)
        stage.service.releaseWrites()
        stage.loop.run()
        let sent = try channel.sentTexts()
        #expect(sent.count == 2 && sent[0].hasPrefix(#"{"type":"error","id":1"#) && sent[1] == close(1001))
    }

    @Test func `answers wait while a client does not take them, and are sent when it does`() throws {
        let stage = SocketStage()
        stage.service.holdWrites()
        let session = try stage.session()
        let channel = try stage.connect(session)
        for id in 0..<3 { try channel.writeInbound(set(id)) }
        _ = try channel.sentTexts()
        channel.isWritable = false
        channel.pipeline.fireChannelWritabilityChanged()
        stage.service.releaseWrites()
        stage.loop.run()
        #expect(try channel.sentTexts() == [])
        #expect(session.answers.count == 3)
        channel.isWritable = true
        channel.pipeline.fireChannelWritabilityChanged()
        stage.loop.run()
        #expect(try channel.sentTexts().count == 3)
        #expect(session.answers.count == 0)
    }

    @Test func `answers that a client does not take have a share of the room, beyond which it is let go`() throws {
        let stage = SocketStage { $0.bodiesBytesPerUserMax = 3000 }
        stage.service.holdWrites()
        let session = try stage.session()
        let channel = try stage.connect(session)
        try channel.writeInbound(set(1))
        _ = try channel.sentTexts()
        channel.isWritable = false
        channel.pipeline.fireChannelWritabilityChanged()
        let body = #"{"applied":false,"data":"\#(String(repeating: "v", count: 2000))"}"#
        stage.service.releaseWrites(body)
        stage.loop.run()
        #expect(stage.hub.bodies.bytes > body.utf8.count && session.answers.count == 1)
        let other = try stage.session()
        let otherChannel = try stage.connect(other)
        stage.service.holdWrites()
        try otherChannel.writeInbound(set(1))
        _ = try otherChannel.sentTexts()
        otherChannel.isWritable = false
        otherChannel.pipeline.fireChannelWritabilityChanged()
        stage.service.releaseWrites(body)
        stage.loop.run()
        #expect(try otherChannel.sentTexts() == [close(1013)])
        #expect(other.answers.count == 0)
        channel.isWritable = true
        channel.pipeline.fireChannelWritabilityChanged()
        #expect(stage.hub.bodies.bytes == 0)
    }

    @Test func `large messages take of the room that clients share, until they are answered`() throws {
        let stage = SocketStage { $0.bodiesBytesPerUserMax = 3000 }
        stage.service.holdWrites()
        let channel = try stage.connect(stage.session())
        _ = try channel.sentTexts()
        let large = frame(
            #"{"type":"set","id":1,"collection":"c","key":"k","value":"\#(String(repeating: "v", count: 1300))"}"#)
        for _ in 0..<2 { try channel.writeInbound(large) }
        #expect(stage.hub.bodies.bytes > 2600)
        try channel.writeInbound(large)
        stage.service.releaseWrites()
        stage.loop.run()
        let sent = try channel.sentTexts()
        #expect(sent.count == 3 && sent[2].contains("rate-limited"))
        #expect(stage.hub.bodies.bytes == 0)
        try channel.writeInbound(large.getSlice(at: 0, length: 1000))
        #expect(stage.hub.bodies.bytes > 900, "also while it is on its way")
        channel.close(promise: nil)
        stage.loop.run()
        #expect(stage.hub.bodies.bytes == 0)
    }
}
