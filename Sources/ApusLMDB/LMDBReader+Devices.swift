internal import ApusCore
internal import ApusStorageKit

extension LMDBReader {
    func device(_ address: DeviceAddress) throws(ApusError) -> Device? {
        try view { view throws(ApusError) in
            guard let bytes = try view.value(in: .devices, at: keys.begin().add(address)) else { return nil }
            return try Device(address, RowReader(bytes))
        }
    }

    func devices(of owner: OwnerID, after: DeviceID?, limit: Int) throws(ApusError) -> [Device] {
        let place = after.map { keys.begin().add(DeviceAddress(owner: owner, id: $0)).add(byte: 0) }
        return try devices(from: place ?? keys.begin().add(devicesOf: owner), limit: limit) { $0 == owner }
    }

    func devices(after: DeviceAddress?, limit: Int) throws(ApusError) -> [Device] {
        try devices(from: after.map { keys.begin().add($0).add(byte: 0) }, limit: limit) { _ in true }
    }

    /// Those from a key on, as long as their owner is wanted.
    private func devices(
        from start: KeyBuffer?, limit: Int, _ isWanted: (OwnerID) -> Bool
    ) throws(ApusError) -> [Device] {
        try view { view throws(ApusError) in
            var devices: [Device] = []
            try view.scan(.devices, from: start) { key, value throws(ApusError) in
                guard devices.count < limit else { return false }
                let address = DeviceAddress(key)
                guard isWanted(address.owner) else { return false }
                devices.append(try Device(address, RowReader(value)))
                return true
            }
            return devices
        }
    }
}

// MARK: - Keys and rows

extension KeyBuffer {
    /// What the keys of an owner's devices begin with: no name holds a zero byte.
    func add(devicesOf owner: OwnerID) -> KeyBuffer {
        add(owner.text).add(byte: 0)
    }

    func add(_ device: DeviceAddress) -> KeyBuffer {
        add(devicesOf: device.owner).add(device.id.text)
    }
}

extension DeviceAddress {
    init(_ key: UnsafeRawBufferPointer) {
        let end = key.firstIndex(of: 0) ?? key.count
        self.init(
            owner: OwnerID(stored: String(decoding: key[..<end], as: UTF8.self)),
            id: DeviceID(stored: key.text(from: min(end + 1, key.count))))
    }
}

extension Device {
    init(_ address: DeviceAddress, _ row: consuming RowReader) throws(ApusError) {
        self.init(
            owner: address.owner, id: address.id, name: try row.optionalText(), platform: try row.optionalText(),
            registeredAt: try row.moment(), lastSeenAt: try row.optionalMoment())
    }

    var row: RowWriter {
        var row = RowWriter()
        row.add(name)
        row.add(platform)
        row.add(registeredAt)
        row.add(lastSeenAt)
        return row
    }
}
