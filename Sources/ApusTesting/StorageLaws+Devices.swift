import ApusCore

extension StorageLaws {
    static let devices = [
        StorageLaw("a device is what was last written of it, until it is forgotten", devicesReplace),
        StorageLaw("an owner's devices come in byte order of their ids, in pages, and nobody else's", devicesOfOwner),
        StorageLaw("the devices of all owners, made here or not, come in order, in pages", allDevices),
        StorageLaw("a user's devices go with the user, those of the same commit too", devicesOfDeletedUser),
        StorageLaw("devices are there when the place is opened again", reopening: true, devicesKept),
        StorageLaw("of a transaction that fails, no device is kept or lost", devicesOfFailure),
    ]

    private static func moment(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    private static func device(
        _ id: String, of owner: String = "u1", name: String? = nil, seen: Int64? = nil
    ) throws -> Device {
        Device(
            owner: try OwnerID(owner), id: try DeviceID(id), name: name, registeredAt: moment(3),
            lastSeenAt: seen.map { moment($0) })
    }

    private static func devicesReplace(_ stage: StorageStage) throws {
        let first = try device("d")
        try expect(stage.reader.device(first.address) == nil, "the device was there before")
        for (name, seen) in [("Name", 7), (nil, nil), ("", -5), ("a\u{0}b\n😀", 0)] as [(String?, Int64?)] {
            var device = first
            device.name = name
            device.platform = name.map { $0 + "é" }
            device.lastSeenAt = seen.map { moment($0) }
            let written = device
            try stage.commit { $0.devices = [written] }
            try expectEqual(stage.reader.device(first.address), written, "the device")
            try expectEqual(stage.reader.devices(after: nil, limit: 9), [written], "all devices")
        }
        try stage.commit { $0.forgottenDevices = [first.address] }
        try expect(stage.reader.device(first.address) == nil, "the forgotten device was there")
        try stage.commit { $0.forgottenDevices = [first.address] }
        try stage.commit {
            $0.devices = [first]
            $0.forgottenDevices = [first.address]
        }
        try expect(stage.reader.devices(after: nil, limit: 9).isEmpty, "a device forgotten at once was listed")
    }

    private static let oddIDs = ["b", "a", "A", "é", "e\u{301}", "a/b", "a\u{FFFD}", "a😀", "aa"]

    private static func devicesOfOwner(_ stage: StorageStage) throws {
        let long = String(repeating: "é", count: 64)
        let devices = try (oddIDs + [long]).map { try device($0) }
        let others = try ["", "1", "\u{301}"].map { try device("d", of: "u" + $0) } + [device("d", of: long)]
        try stage.commit { $0.devices = devices + others }
        let owner = devices[0].owner
        var found: [Device] = []
        for _ in 0...oddIDs.count {
            let page = try stage.reader.devices(of: owner, after: found.last?.id, limit: 3)
            try expect(page.count <= 3, "a page held \(page.count) devices")
            found += page
        }
        let inOrder = try (devices + [device("d")]).sorted { $0.id < $1.id }
        try expectEqual(found, inOrder, "all pages together")
        try expectEqual(
            stage.reader.devices(of: owner, after: DeviceID("ab"), limit: 1).map(\.id.text), ["a\u{FFFD}"], "after `ab`"
        )
        try expectEqual(stage.reader.devices(of: OwnerID("u"), after: nil, limit: 9).count, 1, "those of `u`")
        try expectEqual(stage.reader.devices(of: OwnerID(long), after: nil, limit: 9), [others[3]], "of a long name")
        try expectEqual(stage.reader.devices(of: OwnerID("u0"), after: nil, limit: 9), [], "of one who has none")
    }

    private static func allDevices(_ stage: StorageStage) throws {
        let devices = try oddIDs.flatMap { owner in try ["é", "a", "b"].map { try device($0, of: owner) } }
        try stage.commit { $0.devices = devices }
        var found: [Device] = []
        for _ in 0...devices.count {
            let page = try stage.reader.devices(after: found.last?.address, limit: 4)
            try expect(page.count <= 4, "a page held \(page.count) devices")
            found += page
        }
        try expectEqual(found, devices.sorted { $0.address < $1.address }, "all pages together")
        try expect(stage.reader.users(after: nil, limit: 9).isEmpty, "users came with the devices")
    }

    private static func devicesOfDeletedUser(_ stage: StorageStage) throws {
        let kept = try ["u", "u1\u{301}", "u11"].map { try device("d", of: $0) }
        let gone = try oddIDs.map { try device($0) }
        try stage.commit { $0.devices = kept + gone }
        let last = try device("last")
        try stage.commit {
            $0.devices = [last]
            $0.deletedUsers = [last.owner]
        }
        try expectEqual(stage.reader.devices(of: last.owner, after: nil, limit: 99), [], "the deleted user's devices")
        try expectEqual(
            stage.reader.devices(after: nil, limit: 99), kept.sorted { $0.address < $1.address }, "everybody's devices")
    }

    private static func devicesKept(_ place: StoragePlace) throws {
        let device = try device("d", name: "kept", seen: 9)
        do {
            let stage = try StorageStage(try place.open())
            try stage.commit { $0.devices = [device] }
        }
        let stage = try StorageStage(try place.open())
        try expectEqual(stage.reader.device(device.address), device, "the device")
    }

    private static func devicesOfFailure(_ stage: StorageStage) throws {
        let (kept, other) = (try device("kept"), try device("other"))
        try stage.commit { $0.devices = [kept] }
        var batch = CommitBatch()
        batch.devices = [other]
        batch.forgottenDevices = [kept.address]
        let failing = batch
        let failed = Result { () throws(ApusError) in
            try stage.writer.transaction { transaction throws(ApusError) in
                try transaction.apply(failing)
                throw ApusError(.overloaded, "as was to be")
            }
        }
        if case .success = failed { throw LawViolation("the transaction did not fail") }
        try expectEqual(stage.reader.devices(after: nil, limit: 9), [kept], "the devices")
    }
}
