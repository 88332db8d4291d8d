public import ApusCore
import Glibc
import NIOCore

/// What an operator has to change before the server can start, in one line.
public struct SettingsError: Error, CustomStringConvertible {
    /// `EX_CONFIG` of sysexits.h.
    public static let exitCode: Int32 = 78

    public let message: String

    public init(_ message: String) {
        self.message = message
    }

    public var description: String { message }

    /// What failing to listen on the address says about the settings; `nil` if `error` is about something else.
    public init?(listeningWith settings: Settings, failedWith error: any Error) {
        let place = "\(settings.host):\(settings.port)"
        if error is SocketAddressError.UnknownHost {
            self.init("HOST \(settings.host) is not an address and no name that is known")
            return
        }
        guard let error = error as? IOError else { return nil }
        switch error.errnoCode {
        case EADDRINUSE:
            self.init("\(place) is in use by another program: stop that one, or set PORT to a free port")
        case EADDRNOTAVAIL:
            self.init("HOST \(settings.host) is not an address of this machine")
        case EACCES, EPERM:
            self.init("this user may not listen on \(place): set PORT to one above 1023")
        case EAFNOSUPPORT:
            self.init("this machine cannot listen on \(place): it lacks that kind of address")
        default:
            return nil
        }
    }
}

/// Why the program ends, told in one line, and with which exit code (sysexits.h).
public struct StartFailure: Sendable {
    public let message: String
    public let exitCode: Int32

    /// 78 for what a setting can change, 74 for the storage, 70 for anything else.
    public init(_ error: any Error, settings: Settings) {
        if let error = error as? SettingsError ?? SettingsError(listeningWith: settings, failedWith: error) {
            self.init(message: error.message, exitCode: SettingsError.exitCode)
        } else if let error = error as? ApusError {
            self.init(error)
        } else {
            self.init(message: "stopped by an error: \(error)", exitCode: EX_SOFTWARE)
        }
    }

    /// 78 for what a setting or an argument can change, 74 for the storage.
    public init(_ error: ApusError) {
        let cause = error.cause.map { " (\($0))" } ?? ""
        let isSetting = error.code == .badParameter
        self.init(message: error.message + cause, exitCode: isSetting ? SettingsError.exitCode : EX_IOERR)
    }

    private init(message: String, exitCode: Int32) {
        self.message = message
        self.exitCode = exitCode
    }
}
