public enum DeviceKind: NameKind {
    public static let field = "device_id"
    public static let bytesMax = 128
}

/// What a user calls one of the devices, such as `tv-1`; it means something with its owner only.
public typealias DeviceID = Name<DeviceKind>

/// Which device is meant: one user's. Ordered by owner, then by id, byte by byte.
public struct DeviceAddress: Hashable, Comparable, Codable, Sendable {
    public var owner: OwnerID
    public var id: DeviceID

    public init(owner: OwnerID, id: DeviceID) {
        self.owner = owner
        self.id = id
    }

    public static func < (left: Self, right: Self) -> Bool {
        left.owner == right.owner ? left.id < right.id : left.owner < right.owner
    }
}

/// A device a user registered, or that connected.
public struct Device: Hashable, Codable, Sendable {
    public var owner: OwnerID
    public var id: DeviceID
    public var name: String?
    public var platform: String?
    public var registeredAt: Timestamp
    /// When it was last online, as far as that was stored: up to a minute late while it is. `nil` if it never was.
    public var lastSeenAt: Timestamp?

    public init(
        owner: OwnerID, id: DeviceID, name: String? = nil, platform: String? = nil, registeredAt: Timestamp,
        lastSeenAt: Timestamp? = nil
    ) {
        self.owner = owner
        self.id = id
        self.name = name
        self.platform = platform
        self.registeredAt = registeredAt
        self.lastSeenAt = lastSeenAt
    }

    public var address: DeviceAddress { DeviceAddress(owner: owner, id: id) }
}

/// A device as it is now.
public struct DeviceStatus: Hashable, Sendable {
    /// With the latest `lastSeenAt` there is, stored or not.
    public var device: Device
    public var isOnline: Bool

    public init(device: Device, isOnline: Bool) {
        self.device = device
        self.isOnline = isOnline
    }
}

/// What a client asks to be known of a device.
public struct DeviceRegistration: Sendable {
    /// A text about the device that a client may leave as it is.
    public enum Label: Hashable, Sendable {
        case kept
        /// `nil` for none.
        case set(String?)
    }

    public var address: DeviceAddress
    public var name: Label
    public var platform: Label
    /// Whose token asked: a revocation that is committed before keeps the device from being registered.
    public var principal: Principal?
    public var origin: RequestOrigin

    public init(
        address: DeviceAddress, name: Label = .kept, platform: Label = .kept, principal: Principal? = nil,
        origin: RequestOrigin
    ) {
        self.address = address
        self.name = name
        self.platform = platform
        self.principal = principal
        self.origin = origin
    }
}

public struct RegisteredDevice: Sendable {
    public var status: DeviceStatus
    public var isNew: Bool

    public init(status: DeviceStatus, isNew: Bool) {
        self.status = status
        self.isNew = isNew
    }
}

/// A device has come or has gone.
public struct PresenceChange: Hashable, Sendable {
    public var owner: OwnerID
    public var device: DeviceID
    public var isOnline: Bool
    /// When it came, or when the last of its connections ended.
    public var at: Timestamp

    public init(owner: OwnerID, device: DeviceID, isOnline: Bool, at: Timestamp) {
        self.owner = owner
        self.device = device
        self.isOnline = isOnline
        self.at = at
    }
}
