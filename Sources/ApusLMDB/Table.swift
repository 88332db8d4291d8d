/// The tables of the file, each a B-tree of byte strings in byte order, and what their keys are made of.
///
/// Numbers in keys are big-endian, moments with the sign flipped, so that byte order is their order. Keys of LMDB have
/// at most 511 bytes. The contract's names are far shorter: a record's key has a number of 4 bytes for its owner's
/// collection and at most 256 bytes more, and the longest, a moment and the id of a revoked token, 264.
enum Table: Int, CaseIterable {
    /// A name → a text. `schema` is always there.
    case meta
    /// An owner's name → its number, last change number, commit time of it, and purge horizon.
    case owners
    /// An owner's number, a collection's name → the scope's number.
    case scopes
    /// A scope's number → the owner's name, the collection's name.
    case names
    /// A scope's number, a key → ``RecordRow``.
    case records
    /// An owner's number, a change number → the scope's number and the key of the record that changed last then.
    case changes
    /// A moment of ending, an owner's number, a change number → scope and key, of records that are no tombstones.
    case ends
    /// A commit time, an owner's number, a change number → scope and key, of tombstones.
    case tombstones
    /// A user's id → the user.
    case users
    /// An owner's name, a zero byte, a device's id → the device. Version 1 had no such table.
    case devices
    /// A number that rises with each write → the token.
    case tokens
    /// A token's id → its number.
    case tokenIDs
    /// A user's id, a zero byte, the moment of issue, the token's number → the token's end.
    case tokensOfUsers
    /// A token's end, its number → nothing.
    case tokenEnds
    /// A token's id → the moment until which its revocation is kept.
    case revocations
    /// The moment until which a revocation is kept, the token's id → nothing.
    case revocationEnds
    /// A user's id → the cutoff.
    case cutoffs
    /// An owner's number, a key → the stored answer.
    case answers
    /// The moment of storing, an owner's number, a key → nothing.
    case answerAges
    /// A number → the audit entry. Versions before 3 had ``earlierAudit`` in its place.
    case audit

    /// A moment, a number that rises within it → the audit entry without number, hash and time.
    static let earlierAudit = "audit"

    /// What the table is called in the file.
    var name: String { self == .audit ? "auditEntries" : String(describing: self) }
}

/// The shape of the file, and the numbers that were chosen for it.
enum Schema {
    /// Raised whenever a program of before could not read the file any more.
    static let version: Int64 = 3

    /// The oldest that can be opened.
    static let versionWithoutDevices: Int64 = 1

    /// The first whose audit entries have numbers and hashes.
    static let versionWithAuditNumbers: Int64 = 3

    /// What `schema` in ``Table/meta`` begins with; the version follows.
    static let mark = "apus "

    /// A disk that has less room than this after a write that was cut short is full.
    static let roomForCommits = 4 << 20

    static let readersMax: UInt32 = 510
    /// What the table of so many readers takes, rounded up to pages.
    static let readersFileBytes = 36 << 10

    /// The address space the file may grow into: the disk is full before it is. It costs nothing until it is used;
    /// where less is to be had, it is halved down to the least.
    static let mapBytesMost = 16 << 40
    static let mapBytesLeast = 1 << 30
}
