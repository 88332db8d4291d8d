import ApusCore
import Synchronization

/// The engine's table of who is online, shared by all who ask and tell.
///
/// What an observer hears is said under the lock, so that two threads cannot tell of one device in the wrong order.
final class Presence: Sendable {
    private let table: Mutex<PresenceTable>
    private let observers: Observers
    private let clock: any WallClock
    private let started = ContinuousClock.now

    init(limits: Limits, observers: Observers, clock: any WallClock) {
        table = Mutex(PresenceTable(limits: limits))
        self.observers = observers
        self.clock = clock
    }

    private var uptime: Duration { ContinuousClock.now - started }

    private func moment(_ uptime: Duration? = nil) -> PresenceMoment {
        PresenceMoment(wall: clock.now(), uptime: uptime ?? self.uptime)
    }

    func connected(_ address: DeviceAddress) {
        table.withLock { table in
            if let change = table.connected(address, at: moment()) { observers.presenceChanged(change) }
        }
    }

    func disconnected(_ address: DeviceAddress) {
        table.withLock { $0.disconnected(address, at: moment()) }
    }

    /// - Parameter uptime: time since the start; the true one unless told.
    func tick(at uptime: Duration? = nil) {
        table.withLock { table in
            for change in table.tick(at: moment(uptime)) { observers.presenceChanged(change) }
        }
    }

    func forget(_ address: DeviceAddress) {
        table.withLock { table in
            if let change = table.forget(address, at: moment()) { observers.presenceChanged(change) }
        }
    }

    func forgetAll(of owner: OwnerID) {
        table.withLock { table in
            for change in table.forgetAll(of: owner, at: moment()) { observers.presenceChanged(change) }
        }
    }

    func finish() {
        table.withLock { $0.finish(at: moment()) }
    }
}

// MARK: - Sightings

extension Presence {
    var hasSightings: Bool { table.withLock { $0.hasSightings } }

    func takeSightings() -> [Sighting] { table.withLock { $0.takeSightings() } }

    func sightingsWritten() { table.withLock { $0.sightingsWritten() } }

    func sightingsFailed() { table.withLock { $0.sightingsFailed() } }
}

// MARK: - Answers

extension Presence {
    typealias Glances = [DeviceID: PresenceTable.Glance]

    /// To be asked for before what is stored is read: what is stored in between is then in both and not in neither.
    func glances(of owner: OwnerID) -> Glances {
        table.withLock { $0.glances(of: owner, at: clock.now()) }
    }

    /// Devices of all owners that are online, at most so many.
    func online(limit: Int) -> [OwnerID: Glances] {
        table.withLock { $0.online(limit: limit, at: clock.now()) }
    }

    /// The device as it is now; `nil` if there is none.
    func status(of address: DeviceAddress, stored: Device?) -> DeviceStatus? {
        let glance = table.withLock { $0.glance(address, at: clock.now()) }
        guard let device = stored ?? glance.map({ Device(address, $0) }) else { return nil }
        return DeviceStatus(device, glance)
    }
}

extension StorageReader {
    /// All of the owner's devices as they are now, in byte order of their ids.
    func statuses(of owner: OwnerID, glances: Presence.Glances, limits: Limits) throws(ApusError) -> [DeviceStatus] {
        let stored = try devices(of: owner, after: nil, limit: limits.devicesPerUserMax)
        let known = Set(stored.map(\.id))
        let fresh = glances.filter { !known.contains($0.key) }
            .map { id, glance in Device(DeviceAddress(owner: owner, id: id), glance) }
            .sorted { $0.id < $1.id }
        // Those for which there is no room are not stored either.
        let all = stored + fresh.prefix(max(0, limits.devicesPerUserMax - stored.count))
        return all.sorted { $0.id < $1.id }.map { DeviceStatus($0, glances[$0.id]) }
    }
}

extension Device {
    /// One that is not stored yet.
    init(_ address: DeviceAddress, _ glance: PresenceTable.Glance) {
        self.init(
            owner: address.owner, id: address.id, registeredAt: glance.registeredAt, lastSeenAt: glance.seenAt)
    }
}

extension DeviceStatus {
    init(_ device: Device, _ glance: PresenceTable.Glance?) {
        self.init(device: device, isOnline: glance?.isOnline ?? false)
        if let glance { self.device.lastSeenAt = max(device.lastSeenAt ?? glance.seenAt, glance.seenAt) }
    }
}
