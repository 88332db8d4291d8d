import ApusCore

/// No test of this room asks for devices.
extension ListService {
    private static let absent = ApusError(.notFound, "not part of this test")

    func registerDevice(_ registration: DeviceRegistration, then: @escaping Completion<RegisteredDevice>) {
        then(.failure(Self.absent))
    }
    func devices(of owner: OwnerID, then: @escaping Completion<[DeviceStatus]>) { then(.failure(Self.absent)) }
    func onlineDevices(limit: Int, then: @escaping Completion<[DeviceStatus]>) { then(.failure(Self.absent)) }
    func forgetDevice(
        _ id: DeviceID, of owner: OwnerID, origin: RequestOrigin, then: @escaping Completion<DeviceStatus>
    ) { then(.failure(Self.absent)) }
    func deviceConnected(_ id: DeviceID, of owner: OwnerID) {}
    func deviceDisconnected(_ id: DeviceID, of owner: OwnerID) {}
}
