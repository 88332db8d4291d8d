import ApusCore

/// How far a walk over everything a storage keeps has come; it means the same in every storage that holds the same.
enum CopyPlace: Hashable, Sendable {
    case owners(after: OwnerID?)
    case records(OwnerID, after: SequenceNumber)
    case answers(OwnerID, after: String?)
    case users(after: OwnerID?)
    case devices(after: DeviceAddress?)
    /// Numbers are the source's own.
    case tokens(after: Int64)
    case revocations
    case cutoffs
    case audit(after: Int64)
    case end

    static let start = CopyPlace.owners(after: nil)

    /// One line; words are parted by tabs, which no name holds.
    var text: String {
        switch self {
        case .owners(nil): "owners"
        case .owners(let owner?): "owners\t\(owner)"
        case .records(let owner, let after): "records\t\(owner)\t\(after.rawValue)"
        case .answers(let owner, nil): "answers\t\(owner)"
        case .answers(let owner, let key?): "answers\t\(owner)\t\(key)"
        case .users(nil): "users"
        case .users(let id?): "users\t\(id)"
        case .devices(nil): "devices"
        case .devices(let device?): "devices\t\(device.owner)\t\(device.id)"
        case .tokens(let after): "tokens\t\(after)"
        case .revocations: "revocations"
        case .cutoffs: "cutoffs"
        case .audit(let after): "audit\t\(after)"
        case .end: "end"
        }
    }

    /// `nil` for what ``text`` never is.
    init?(_ text: String) {
        let words = text.split(separator: "\t", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        switch (words[0], words.count) {
        case ("owners", 1): self = .owners(after: nil)
        case ("owners", 2): self = .owners(after: OwnerID(stored: words[1]))
        case ("records", 3):
            guard let after = Int64(words[2]) else { return nil }
            self = .records(OwnerID(stored: words[1]), after: SequenceNumber(after))
        case ("answers", 2): self = .answers(OwnerID(stored: words[1]), after: nil)
        case ("answers", 3): self = .answers(OwnerID(stored: words[1]), after: words[2])
        case ("users", 1): self = .users(after: nil)
        case ("users", 2): self = .users(after: OwnerID(stored: words[1]))
        case ("devices", 1): self = .devices(after: nil)
        case ("devices", 3):
            self = .devices(after: DeviceAddress(owner: OwnerID(stored: words[1]), id: DeviceID(stored: words[2])))
        case ("tokens", 2):
            guard let after = Int64(words[1]) else { return nil }
            self = .tokens(after: after)
        case ("revocations", 1): self = .revocations
        case ("cutoffs", 1): self = .cutoffs
        case ("audit", 2):
            guard let after = Int64(words[1]) else { return nil }
            self = .audit(after: after)
        case ("end", 1): self = .end
        default: return nil
        }
    }
}
