import ApusCore
import ApusTesting
import Logging
import ServiceLifecycle
import Testing

@testable import ApusEngine

@Suite struct EngineDevicesTests {
    private let user = OwnerID(stored: "u1")
    private let tv = DeviceID(stored: "tv")

    private func register(
        _ id: String = "tv", owner: String = "u1", name: DeviceRegistration.Label = .kept,
        platform: DeviceRegistration.Label = .kept, _ stage: EngineStage
    ) async -> Result<RegisteredDevice, ApusError> {
        let registration = DeviceRegistration(
            address: DeviceAddress(id, owner: owner), name: name, platform: platform, origin: WriteRequest.origin)
        return await stage.answer { stage.engine.registerDevice(registration, then: $0) }
    }

    private func forget(_ id: String, _ stage: EngineStage) async -> Result<DeviceStatus, ApusError> {
        await stage.answer {
            stage.engine.forgetDevice(DeviceID(stored: id), of: user, origin: WriteRequest.origin, then: $0)
        }
    }

    private func devices(_ stage: EngineStage) async throws -> [DeviceStatus] {
        try await stage.answer { stage.engine.devices(of: user, then: $0) }.get()
    }

    private func stored(_ stage: EngineStage) throws -> [Device] {
        try stage.reader().devices(of: user, after: nil, limit: 9999)
    }

    private func code<Answer>(_ result: Result<Answer, ApusError>) -> ApusError.Code? {
        if case .failure(let error) = result { error.code } else { nil }
    }

    @Test func `registering makes a device known, again changes only what is given, each with an audit entry`()
        async throws
    {
        let stage = try EngineStage()
        let first = try await register(name: .set("TV"), platform: .set("tvos"), stage).get()
        let made = Device(owner: user, id: tv, name: "TV", platform: "tvos", registeredAt: start)
        #expect(first.isNew && first.status == DeviceStatus(device: made, isOnline: false))
        stage.clock.advance(bySeconds: 5)
        let second = try await register(name: .set("Den"), stage).get()
        #expect(!second.isNew && second.status.device.name == "Den" && second.status.device.platform == "tvos")
        #expect(second.status.device.registeredAt == start && second.status.device.lastSeenAt == nil)
        #expect(try await register(name: .set(nil), stage).get().status.device.name == nil)
        #expect(try await devices(stage) == [DeviceStatus(device: stored(stage)[0], isOnline: false)])
        let audit = try stage.reader().auditEntries(limit: 9)
        #expect(audit.map(\.action) == Array(repeating: "device.register", count: 3))
        #expect(audit.allSatisfy { $0.target == "u1/tv" && $0.origin == WriteRequest.origin })
    }

    @Test func `a token that was revoked before the commit registers nothing`() async throws {
        let stage = try EngineStage()
        let grant = try await stage.issue().grant
        let gate = await stage.holdCommitter()
        stage.engine.revokeToken(grant.id, expiresAt: nil, origin: .admin) { _ in }
        let registration = DeviceRegistration(
            address: DeviceAddress("tv"), principal: Principal(grant), origin: WriteRequest.origin)
        let answers = Log<ApusError.Code?>()
        stage.engine.registerDevice(registration) { [self] in answers.append(code($0)) }
        gate.open()
        await answers.wait(for: 1)
        #expect(answers.entries == [.tokenRevoked])
        #expect(try stored(stage).isEmpty)
    }

    @Test func `a user may have so many devices and not one more, those that connect by themselves too`() async throws {
        let stage = try EngineStage { $0.limits.devicesPerUserMax = 3 }
        for id in ["a", "b"] { _ = try await register(id, stage).get() }
        for id in ["c", "d"] { stage.engine.deviceConnected(DeviceID(stored: id), of: user) }
        #expect(try await devices(stage).map(\.device.id.text) == ["a", "b", "c"])
        #expect(stage.witness.presence == ["c on", "d on"])
        _ = try await stage.presenceWatch().storeSightings()
        #expect(try stored(stage).map(\.id.text) == ["a", "b", "c"])
        #expect(code(await register("e", stage)) == .tooManyItems)
        #expect(code(await register("c", stage)) == nil)
        _ = try await forget("a", stage).get()
        #expect(code(await register("e", stage)) == nil)
        #expect(try stored(stage).map(\.id.text) == ["b", "c", "e"])
    }

    @Test func `a device that connects is shown at once, and stored a little later`() async throws {
        let stage = try EngineStage()
        stage.engine.deviceConnected(tv, of: user)
        let shown = DeviceStatus(
            device: Device(owner: user, id: tv, registeredAt: start, lastSeenAt: start), isOnline: true)
        #expect(try await devices(stage) == [shown])
        #expect(try stored(stage).isEmpty && stage.witness.presence == ["tv on"])
        #expect(try await stage.presenceWatch().storeSightings())
        #expect(try stored(stage) == [shown.device])
        stage.clock.advance(bySeconds: 9)
        let later = try #require(try await devices(stage).first)
        #expect(later.isOnline && later.device.lastSeenAt == start.advanced(bySeconds: 9))
        let registered = try await register(name: .set("TV"), stage).get()
        #expect(!registered.isNew && registered.status.isOnline)
        #expect(registered.status.device.lastSeenAt == start.advanced(bySeconds: 9))
    }

    @Test func `a device that has gone was last seen when its connection ended, and so it is stored`() async throws {
        let stage = try EngineStage()
        stage.engine.deviceConnected(tv, of: user)
        stage.clock.advance(bySeconds: 100)
        stage.engine.deviceDisconnected(tv, of: user)
        stage.clock.advance(bySeconds: 3)
        let watch = try stage.presenceWatch()
        #expect(try await devices(stage).map(\.isOnline) == [true])
        watch.presence.tick(at: .seconds(99))
        #expect(stage.witness.presence == ["tv on", "tv off"])
        let gone = try #require(try await devices(stage).first)
        #expect(!gone.isOnline && gone.device.lastSeenAt == start.advanced(bySeconds: 100))
        await watch.storeSightings()
        #expect(try stored(stage) == [gone.device])
        #expect(try await devices(stage) == [gone])
    }

    @Test func `a deleted device goes offline at once, is told as it was, and what was seen of it does not come back`()
        async throws
    {
        let stage = try EngineStage()
        _ = try await register(name: .set("TV"), stage).get()
        stage.engine.deviceConnected(tv, of: user)
        stage.clock.advance(bySeconds: 2)
        let gate = await stage.holdCommitter()
        let (told, written) = (Log<Result<DeviceStatus, ApusError>>(), Log<Bool>())
        stage.engine.forgetDevice(tv, of: user, origin: WriteRequest.origin) { told.append($0) }
        // This sighting waits behind the deletion.
        let watch = try stage.presenceWatch()
        watch.committer.submit(
            .alone(StoreSightings(presence: watch.presence) { if case .success = $0 { written.append(true) } }))
        gate.open()
        await written.wait(for: 1)
        let was = try told.entries[0].get()
        #expect(!was.isOnline && was.device.name == "TV" && was.device.lastSeenAt == start.advanced(bySeconds: 2))
        #expect(stage.witness.presence == ["tv on", "tv off"])
        #expect(try await devices(stage).isEmpty && stored(stage).isEmpty)
        #expect(code(await forget("tv", stage)) == .notFound)
        #expect(try stage.reader().auditEntries(limit: 1).map(\.action) == ["device.delete"])
        // Its connection ends unnoticed, and it comes anew.
        stage.engine.deviceDisconnected(tv, of: user)
        stage.engine.deviceConnected(tv, of: user)
        #expect(try await devices(stage).map(\.isOnline) == [true])
        #expect(try await forget("tv", stage).get().device.registeredAt == start.advanced(bySeconds: 2))
    }

    @Test func `while the disk is full presence goes on, and what was seen is stored when there is space`() async throws
    {
        let stage = try EngineStage()
        let watch = try stage.presenceWatch()
        stage.engine.deviceConnected(tv, of: user)
        for _ in 0..<3 {
            stage.backend.failNextCommit(with: .storageFull(cause: "ENOSPC"))
            #expect(await watch.storeSightings() == false)
        }
        stage.engine.deviceConnected(DeviceID(stored: "b"), of: user)
        stage.engine.deviceDisconnected(tv, of: user)
        watch.presence.tick(at: .seconds(99))
        #expect(stage.witness.presence == ["tv on", "b on", "tv off"])
        #expect(try await devices(stage).map(\.isOnline) == [true, false])
        #expect(await watch.storeSightings())
        #expect(try stored(stage).map(\.id.text) == ["b", "tv"])
        stage.backend.failNextCommit(with: .storageFull(cause: "ENOSPC"))
        #expect(code(await forget("tv", stage)) == .storageFull)
        #expect(try await devices(stage).count == 2)
    }

    @Test func `1,201 devices that come at once take three commits`() async throws {
        let stage = try EngineStage { $0.limits.devicesPerUserMax = 5000 }
        for number in 0..<1201 { stage.engine.deviceConnected(DeviceID(stored: "d\(number)"), of: user) }
        let before = stage.backend.commitCount
        try await stage.presenceWatch().storeSightings()
        #expect(stage.backend.commitCount - before == 3)
        #expect(try stored(stage).count == 1201)
        #expect(try await devices(stage).count == 1201)
    }

    @Test func `a deleted user's devices go, also of one who was never made and never wrote`() async throws {
        let stage = try EngineStage()
        _ = try await register("a", stage).get()
        stage.engine.deviceConnected(tv, of: user)
        _ = try await register("a", owner: "u2", stage).get()
        _ = try await stage.answer { stage.engine.deleteUser(user, origin: .admin, then: $0) }.get()
        #expect(stage.witness.presence == ["tv on", "tv off"])
        try await stage.presenceWatch().storeSightings()
        #expect(try await devices(stage).isEmpty && stored(stage).isEmpty)
        #expect(try stage.reader().devices(after: nil, limit: 9).map(\.owner.text) == ["u2"])
        #expect(code(await stage.answer { stage.engine.deleteUser(user, origin: .admin, then: $0) }) == .notFound)
        let other = OwnerID(stored: "u2")
        #expect(code(await stage.answer { stage.engine.revokeTokens(of: other, origin: .admin, then: $0) }) == nil)
    }

    @Test func `one user is shown with the devices`() async throws {
        let stage = try EngineStage()
        _ = try await stage.issue()
        _ = try await register("a", stage).get()
        stage.engine.deviceConnected(tv, of: user)
        let detail = try await stage.answer { stage.engine.user(user, then: $0) }.get()
        #expect(detail.devices == (try await devices(stage)))
        #expect(detail.devices.map(\.isOnline) == [false, true])
    }

    @Test func `after a restart nobody is online, and the last thing stored is how it was at the end`() async throws {
        let stage = try EngineStage()
        let group = ServiceGroup(
            configuration: .init(
                services: stage.engine.services.map { .init(service: $0) },
                logger: Logger(label: "engine-tests", factory: { _ in SwiftLogNoOpLogHandler() })))
        let running = Task { try await group.run() }
        stage.engine.deviceConnected(tv, of: user)
        while try stored(stage).isEmpty { await Task.yield() }
        stage.clock.advance(bySeconds: 33)
        await group.triggerGracefulShutdown()
        try await running.value
        let next = try EngineStage(backend: stage.backend)
        let device = try #require(try await devices(next).first)
        #expect(!device.isOnline && device.device.lastSeenAt == start.advanced(bySeconds: 33))
        #expect(device.device.registeredAt == start)
    }
}
