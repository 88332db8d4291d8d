import ApusCore
import Logging
import ServiceLifecycle

/// Notices who is gone, and has it stored who was seen: many in one commit, one commit after the other.
struct PresenceWatch: Service {
    let presence: Presence
    let committer: Committer
    let logger: Logger

    private static let interval = Duration.milliseconds(500)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var wasStored = true
            while !Task.isCancelled {
                do {
                    try await Task.sleep(for: Self.interval)
                } catch {
                    break
                }
                presence.tick()
                let isStored = await storeSightings()
                if wasStored, !isStored { logger.warning("when devices were last seen cannot be stored now") }
                wasStored = isStored
            }
        }
        presence.finish()
        await storeSightings()
    }

    /// Stores all sightings that wait, in parts.
    ///
    /// - Returns: whether that was possible; what was not stored waits for the next time.
    @discardableResult
    func storeSightings() async -> Bool {
        while presence.hasSightings {
            let stored = await withCheckedContinuation { continuation in
                committer.submit(.alone(StoreSightings(presence: presence) { continuation.resume(returning: $0) }))
            }
            if case .failure(let error) = stored {
                logger.debug("no sightings stored", metadata: ["cause": "\(error.cause ?? error.message)"])
                return false
            }
        }
        return true
    }
}

/// Stores when devices were last seen; one that was unknown is registered, unless its owner has too many.
struct StoreSightings: LoneCommand {
    let presence: Presence
    let then: Completion<Void>

    init(presence: Presence, then: @escaping Completion<Void>) {
        self.presence = presence
        self.then = then
    }

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        var counts: [OwnerID: Int] = [:]
        var batch = CommitBatch()
        // Taken here, after every deletion that was committed before, so that no device comes back that was deleted.
        for sighting in presence.takeSightings() {
            let address = sighting.address
            if var device = try transaction.device(address) {
                device.lastSeenAt = max(device.lastSeenAt ?? sighting.seenAt, sighting.seenAt)
                batch.devices.append(device)
                continue
            }
            let countMax = context.settings.limits.devicesPerUserMax
            let count: Int
            if let known = counts[address.owner] {
                count = known
            } else {
                count = try transaction.devices(of: address.owner, after: nil, limit: countMax).count
            }
            counts[address.owner] = min(count + 1, countMax)
            guard count < countMax else { continue }
            batch.devices.append(
                Device(
                    owner: address.owner, id: address.id, registeredAt: sighting.registeredAt,
                    lastSeenAt: sighting.seenAt))
        }
        if !batch.isEmpty { try transaction.apply(batch) }
        return CommitOutcome(answers: [
            {
                presence.sightingsWritten()
                then(.success(()))
            }
        ])
    }

    func fail(_ error: ApusError) {
        presence.sightingsFailed()
        then(.failure(error))
    }
}
