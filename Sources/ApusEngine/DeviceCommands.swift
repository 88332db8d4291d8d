import ApusCore

/// Makes a device known, or changes what is known of it.
struct RegisterDevice: LoneCommand {
    let registration: DeviceRegistration
    let then: Completion<RegisteredDevice>

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        let isRevoked = registration.principal.map { context.revocations.revokes($0) } ?? false
        guard !isRevoked else { return refusal(.tokenRevoked) }
        let now = context.clock.now()
        let address = registration.address
        let stored = try transaction.device(address)
        let known = context.presence.status(of: address, stored: stored)
        if stored == nil {
            let countMax = context.settings.limits.devicesPerUserMax
            let count = try transaction.devices(of: address.owner, after: nil, limit: countMax).count
            guard count < countMax else {
                return refusal(
                    ApusError(.tooManyItems, "a user may have at most \(countMax) devices; delete one that is not used")
                )
            }
        }
        var device = stored ?? known?.device ?? Device(owner: address.owner, id: address.id, registeredAt: now)
        if case .set(let name) = registration.name { device.name = name }
        if case .set(let platform) = registration.platform { device.platform = platform }
        var batch = CommitBatch()
        batch.devices = [device]
        batch.audit = [.device("device.register", address, origin: registration.origin, at: now)]
        try transaction.apply(batch)
        var status = DeviceStatus(device: device, isOnline: known?.isOnline ?? false)
        status.device.lastSeenAt = known?.device.lastSeenAt
        let registered = RegisteredDevice(status: status, isNew: known == nil)
        return CommitOutcome(answers: [{ then(.success(registered)) }])
    }

    private func refusal(_ error: ApusError) -> CommitOutcome {
        CommitOutcome(answers: [{ then(.failure(error)) }])
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}

/// Forgets a device.
struct ForgetDevice: LoneCommand {
    let address: DeviceAddress
    let origin: RequestOrigin
    let then: Completion<DeviceStatus>

    func decide(in transaction: any StorageTransaction, context: CommitContext) throws(ApusError) -> CommitOutcome {
        guard var status = context.presence.status(of: address, stored: try transaction.device(address)) else {
            return CommitOutcome(answers: [
                { then(.failure(ApusError(.notFound, "there is no such device"))) }
            ])
        }
        var batch = CommitBatch()
        batch.forgottenDevices = [address]
        batch.audit = [.device("device.delete", address, origin: origin, at: context.clock.now())]
        try transaction.apply(batch)
        status.isOnline = false
        return CommitOutcome(answers: [
            { [status] in
                context.presence.forget(address)
                then(.success(status))
            }
        ])
    }

    func fail(_ error: ApusError) { then(.failure(error)) }
}

extension AuditEntry {
    fileprivate static func device(
        _ action: String, _ address: DeviceAddress, origin: RequestOrigin, at now: Timestamp
    ) -> AuditEntry {
        AuditEntry(at: now, origin: origin, action: action, target: "\(address.owner)/\(address.id)")
    }
}
