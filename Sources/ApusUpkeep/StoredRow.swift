import ApusCore
import NIOCore

/// One thing a storage keeps, of any kind.
enum StoredRow: Hashable, Sendable {
    case owner(OwnerEntry)
    /// Beside a tombstone, the value it keeps.
    case record(Record, kept: JSONText? = nil)
    case answer(StoredAnswer)
    case user(User)
    case device(Device)
    case token(TokenGrant)
    case revocation(TokenRevocation)
    case cutoff(TokenCutoff)
    case audit(AuditEntry)

    var kind: RowKind {
        switch self {
        case .owner: .owners
        case .record: .records
        case .answer: .answers
        case .user: .users
        case .device: .devices
        case .token: .tokens
        case .revocation: .revocations
        case .cutoff: .cutoffs
        case .audit: .audit
        }
    }

    /// Bytes of what may be long; the rest of a row is short.
    var bulkBytes: Int {
        switch self {
        case .record(let record, let kept): (record.value ?? kept)?.byteCount ?? 0
        case .answer(let answer): answer.body.readableBytes
        case .token(let token): token.claims?.byteCount ?? 0
        case .owner, .user, .device, .revocation, .cutoff, .audit: 0
        }
    }
}

/// The kinds of rows, in the order in which they are walked over.
public enum RowKind: String, CaseIterable, Sendable {
    case owners, records, answers, users, devices, tokens, revocations, cutoffs, audit

    fileprivate var index: Int {
        switch self {
        case .owners: 0
        case .records: 1
        case .answers: 2
        case .users: 3
        case .devices: 4
        case .tokens: 5
        case .revocations: 6
        case .cutoffs: 7
        case .audit: 8
        }
    }
}

/// How many rows there are of each kind; tombstones and expired records count as records.
public struct RowCounts: Hashable, Sendable {
    private var counts = [Int](repeating: 0, count: RowKind.allCases.count)

    public init() {}

    public subscript(kind: RowKind) -> Int {
        get { counts[kind.index] }
        set { counts[kind.index] = newValue }
    }

    public var total: Int { counts.reduce(0, +) }

    /// `owners 2, records 14, …`.
    public var text: String {
        RowKind.allCases.map { "\($0.rawValue) \(self[$0])" }.joined(separator: ", ")
    }
}
