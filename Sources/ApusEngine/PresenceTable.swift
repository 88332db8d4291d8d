import ApusCore

/// A moment on both clocks: the wall clock is for telling, the time since the start for measuring.
struct PresenceMoment: Hashable, Sendable {
    var wall: Timestamp
    var uptime: Duration
}

/// That a device was there, to be stored.
struct Sighting: Hashable, Sendable {
    var address: DeviceAddress
    /// When it is said to have been registered, if it was unknown.
    var registeredAt: Timestamp
    var seenAt: Timestamp
}

/// Which devices are online; a plain value that touches no clock, lock or disk.
///
/// A device is online from its first connection until its last one has been gone for a while, so that a short
/// interruption is told to nobody. It is remembered in memory only: after a restart nobody is online.
///
/// What is to be stored waits here as sightings, at most one a device. ``takeSightings()`` gives some out; before it is
/// called again, either ``sightingsWritten()`` or ``sightingsFailed()`` must be.
struct PresenceTable {
    /// What is known of a device beside what is stored.
    struct Glance: Hashable {
        var isOnline: Bool
        var registeredAt: Timestamp
        var seenAt: Timestamp
    }

    private struct Entry {
        var connections = 0
        /// Since when it is shown as online; `nil` if it is not, although it may have connections: it was forgotten.
        var onlineSince: Timestamp?
        /// When its last connection ended, while it may come back unnoticed.
        var endedAt: PresenceMoment?
        /// Not stored yet: its address stands among those that wait or are being written.
        var sighting: Sighting?
        /// When it was last told to be stored.
        var sightedAt = Duration.zero

        var isOfNoUse: Bool { connections == 0 && onlineSince == nil && sighting == nil }
    }

    private let limits: Limits
    private var entries: [OwnerID: [DeviceID: Entry]] = [:]
    /// The longest waiting first.
    private var waiting: [DeviceAddress] = []
    private var beingWritten: [Sighting] = []

    init(limits: Limits) {
        self.limits = limits
    }

    /// A connection of the device has opened.
    mutating func connected(_ address: DeviceAddress, at now: PresenceMoment) -> PresenceChange? {
        change(address) { table, entry in
            entry.connections += 1
            entry.endedAt = nil
            guard entry.onlineSince == nil else { return nil }
            entry.onlineSince = now.wall
            table.sight(address, &entry, seenAt: now.wall, uptime: now.uptime)
            return PresenceChange(owner: address.owner, device: address.id, isOnline: true, at: now.wall)
        }
    }

    /// A connection of the device has ended.
    mutating func disconnected(_ address: DeviceAddress, at now: PresenceMoment) {
        change(address) { _, entry in
            precondition(entry.connections > 0, "a connection ended that never opened")
            entry.connections -= 1
            if entry.connections == 0, entry.onlineSince != nil { entry.endedAt = now }
        }
    }

    /// What the passing of time has brought: who is gone, and whose sighting has to be stored anew.
    mutating func tick(at now: PresenceMoment) -> [PresenceChange] {
        let grace = Duration.seconds(limits.presenceGraceSeconds)
        var changes: [PresenceChange] = []
        for address in due(at: now) {
            change(address) { table, entry in
                guard let ended = entry.endedAt else {
                    table.sight(address, &entry, seenAt: now.wall, uptime: now.uptime)
                    return
                }
                guard now.uptime - ended.uptime >= grace else { return }
                table.sight(address, &entry, seenAt: ended.wall, uptime: now.uptime)
                entry.onlineSince = nil
                entry.endedAt = nil
                changes.append(
                    PresenceChange(owner: address.owner, device: address.id, isOnline: false, at: ended.wall))
            }
        }
        return changes
    }

    /// Those with something to be done, in order.
    private func due(at now: PresenceMoment) -> [DeviceAddress] {
        let sightingAge = Duration.seconds(limits.sightingSecondsMax)
        var due: [DeviceAddress] = []
        for (owner, devices) in entries {
            for (id, entry) in devices where entry.onlineSince != nil {
                guard entry.endedAt != nil || now.uptime - entry.sightedAt >= sightingAge else { continue }
                due.append(DeviceAddress(owner: owner, id: id))
            }
        }
        return due.sorted()
    }

    /// The device was deleted: it is not shown before it connects anew.
    mutating func forget(_ address: DeviceAddress, at now: PresenceMoment) -> PresenceChange? {
        change(address) { table, entry in
            if entry.sighting != nil {
                entry.sighting = nil
                table.waiting.removeAll { $0 == address }
            }
            guard entry.onlineSince != nil else { return nil }
            let at = entry.endedAt?.wall ?? now.wall
            entry.onlineSince = nil
            entry.endedAt = nil
            return PresenceChange(owner: address.owner, device: address.id, isOnline: false, at: at)
        }
    }

    /// All of the owner's devices were deleted.
    mutating func forgetAll(of owner: OwnerID, at now: PresenceMoment) -> [PresenceChange] {
        let ids = (entries[owner] ?? [:]).keys.sorted()
        // At once, and not once for each device.
        waiting.removeAll { $0.owner == owner }
        for id in ids { entries[owner]?[id]?.sighting = nil }
        return ids.compactMap { id in forget(DeviceAddress(owner: owner, id: id), at: now) }
    }

    /// The end: everything that is online is to be stored as it is.
    mutating func finish(at now: PresenceMoment) {
        for (owner, devices) in entries {
            for (id, entry) in devices where entry.onlineSince != nil {
                change(DeviceAddress(owner: owner, id: id)) { table, entry in
                    let seenAt = entry.endedAt?.wall ?? now.wall
                    table.sight(DeviceAddress(owner: owner, id: id), &entry, seenAt: seenAt, uptime: now.uptime)
                }
            }
        }
    }

    /// Runs `body` on the device's entry, which is made if there is none and goes when it is of no use.
    @discardableResult
    private mutating func change<Answer>(
        _ address: DeviceAddress, _ body: (inout PresenceTable, inout Entry) -> Answer
    ) -> Answer {
        var entry = entries[address.owner]?[address.id] ?? Entry()
        let answer = body(&self, &entry)
        entries[address.owner, default: [:]][address.id] = entry.isOfNoUse ? nil : entry
        if entries[address.owner]?.isEmpty == true { entries[address.owner] = nil }
        return answer
    }
}

// MARK: - Answers

extension PresenceTable {
    /// The owner's devices that are online or were seen since what is stored.
    func glances(of owner: OwnerID, at now: Timestamp) -> [DeviceID: Glance] {
        (entries[owner] ?? [:]).compactMapValues { glance(at: $0, now) }
    }

    func glance(_ address: DeviceAddress, at now: Timestamp) -> Glance? {
        entries[address.owner]?[address.id].flatMap { glance(at: $0, now) }
    }

    /// Devices of all owners that are online, the first in order of owners and ids.
    func online(limit: Int, at now: Timestamp) -> [OwnerID: [DeviceID: Glance]] {
        var online: [OwnerID: [DeviceID: Glance]] = [:]
        var left = limit
        for owner in entries.keys.sorted() where left > 0 {
            let own = glances(of: owner, at: now).filter(\.value.isOnline).sorted { $0.key < $1.key }.prefix(left)
            guard !own.isEmpty else { continue }
            left -= own.count
            online[owner] = Dictionary(uniqueKeysWithValues: own.map { ($0.key, $0.value) })
        }
        return online
    }

    private func glance(at entry: Entry, _ now: Timestamp) -> Glance? {
        if let since = entry.onlineSince {
            return Glance(
                isOnline: true, registeredAt: entry.sighting?.registeredAt ?? since, seenAt: entry.endedAt?.wall ?? now)
        }
        return entry.sighting.map { Glance(isOnline: false, registeredAt: $0.registeredAt, seenAt: $0.seenAt) }
    }

    /// How many devices are held, shown or not.
    var count: Int { entries.values.reduce(0) { $0 + $1.count } }
}

// MARK: - Sightings

extension PresenceTable {
    var hasSightings: Bool { !waiting.isEmpty }

    /// The sightings that have waited longest, as many as one commit writes.
    mutating func takeSightings() -> [Sighting] {
        precondition(beingWritten.isEmpty, "sightings are written one part after the other")
        let addresses = waiting.prefix(limits.sightingsAtOnceMax)
        beingWritten = addresses.compactMap { entries[$0.owner]?[$0.id]?.sighting }
        waiting.removeFirst(addresses.count)
        return beingWritten
    }

    /// What was taken is stored; what changed meanwhile has to be once more.
    mutating func sightingsWritten() {
        endWriting { written, sighting in written == sighting }
    }

    /// What was taken waits again.
    mutating func sightingsFailed() {
        endWriting { _, _ in false }
    }

    private mutating func endWriting(_ isStored: (_ written: Sighting, _ sighting: Sighting) -> Bool) {
        let ended = beingWritten
        beingWritten = []
        for written in ended {
            change(written.address) { table, entry in
                // Forgotten meanwhile, or not to be written again.
                guard let sighting = entry.sighting else { return }
                if isStored(written, sighting) { entry.sighting = nil } else { table.waiting.append(written.address) }
            }
        }
    }

    /// Has it stored that the device was seen; not if too many wait for that already.
    private mutating func sight(_ address: DeviceAddress, _ entry: inout Entry, seenAt: Timestamp, uptime: Duration) {
        entry.sightedAt = uptime
        if let earlier = entry.sighting {
            entry.sighting?.seenAt = max(earlier.seenAt, seenAt)
            return
        }
        guard waiting.count + beingWritten.count < limits.sightingsWaitingMax else { return }
        waiting.append(address)
        entry.sighting = Sighting(
            address: address, registeredAt: entry.onlineSince ?? seenAt, seenAt: seenAt)
    }
}
