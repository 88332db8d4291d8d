import ApusCore
import NIOCore
import Testing

@testable import ApusProtocol

@Suite struct DeviceBodyTests {
    private func body(_ text: String) throws(ApusError) -> DeviceBody {
        try DeviceBody(ByteBuffer(string: text), limits: Limits())
    }

    @Test func `a device is read with its name and platform, which may be left out or taken away`() throws {
        let address = DeviceAddress(owner: try OwnerID("u1"), id: try DeviceID("tv-1"))
        let whole = try body(#"{"user_id":"u1","device_id":"tv-1","name":"T\u0056","platform":"tvos","more":1}"#)
        #expect(whole.address == address && whole.name == .set("TV") && whole.platform == .set("tvos"))
        let least = try body(#"{"user_id":"u1","device_id":"tv-1"}"#)
        #expect(least.address == address && least.name == .kept && least.platform == .kept)
        let none = try body(#"{"platform":null,"name":null,"device_id":"tv-1","user_id":"u1"}"#)
        #expect(none.name == .set(nil) && none.platform == .set(nil))
        #expect(try body(#"{"user_id":"u1","device_id":"tv-1","name":""}"#).name == .set(""))
    }

    @Test(arguments: [
        ("{}", ["/user_id", "/device_id"]), (#"{"user_id":"u","device_id":""}"#, ["/device_id"]),
        (#"{"user_id":null,"device_id":7}"#, ["/user_id", "/device_id"]),
        (#"{"user_id":"u","device_id":"a\u0000"}"#, ["/device_id"]),
        (#"{"user_id":"u","device_id":"d","name":7,"platform":[]}"#, ["/name", "/platform"]),
        (#"{"user_id":"u","device_id":"d","name":"a\nb","platform":"\u007f"}"#, ["/name", "/platform"]), ("[]", [""]),
    ])
    func `faults are named at once`(text: String, pointers: [String]) {
        let error = refusal { () throws(ApusError) in try body(text) }
        #expect(error.code == .invalidField && error.pointers == pointers)
    }

    @Test(arguments: ["", "{", #"{"user_id":"u","device_id":"d"} x"#, #"{"user_id":"u","user_id":"u"}"#])
    func `a body that cannot be read is refused`(text: String) {
        #expect(refusal { () throws(ApusError) in try body(text) }.code == .malformedJSON)
    }

    @Test func `ids have up to 128 bytes, names 256, platforms 64`() throws {
        func text(_ id: Int, _ name: Int, _ platform: Int) -> String {
            let (id, name, platform) = (
                String(repeating: "é", count: id / 2), String(repeating: "n", count: name),
                String(repeating: "p", count: platform)
            )
            return #"{"user_id":"u","device_id":"\#(id)","name":"\#(name)","platform":"\#(platform)"}"#
        }
        #expect(try body(text(128, 256, 64)).address.id.text.utf8.count == 128)
        let error = refusal { () throws(ApusError) in try body(text(130, 257, 65)) }
        #expect(error.pointers == ["/device_id", "/name", "/platform"])
    }

    @Test func `a device is told in the contract's form`() throws {
        var device = Device(
            owner: try OwnerID("u1"), id: try DeviceID("a\"b"), name: "T\u{7}V", platform: nil, registeredAt: moment,
            lastSeenAt: nil)
        #expect(
            ByteBuffer.text { $0.writeDevice(DeviceStatus(device: device, isOnline: false)) }
                == #"{"user_id":"u1","device_id":"a\"b","name":"T\u0007V","platform":null,"#
                + #""registered_at":"2024-01-01T12:34:56.789Z","last_seen_at":null,"online":false}"#)
        device.lastSeenAt = Timestamp(milliseconds: 0)
        #expect(
            ByteBuffer.text { $0.writeDevice(DeviceStatus(device: device, isOnline: true)) }
                .hasSuffix(#""last_seen_at":"1970-01-01T00:00:00.000Z","online":true}"#))
    }
}
