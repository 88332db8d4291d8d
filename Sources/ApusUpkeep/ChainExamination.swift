import ApusCore
import Crypto
import NIOCore

/// What must hold for the audit log, judged entry by entry in the order of their numbers: none is missing but the
/// oldest ones that were dropped for their age, and each is what the one after it says.
struct ChainExamination {
    private(set) var entries = 0
    private(set) var first: AuditEntry?
    private(set) var last: AuditEntry?
    /// The first entry that holds the hash of the one before; earlier ones were written before there was a chain.
    private(set) var chainedFrom: Int64?
    private var expiredThrough: Int64
    private var lastHash = AuditHash.zero
    private var buffer = ByteBuffer()

    /// - Parameter expiredThrough: as it is noted.
    init(expiredThrough: Int64) {
        self.expiredThrough = expiredThrough
    }

    /// Up to which number entries were seen, or dropped for their age.
    var reached: Int64 { max(last?.number ?? 0, expiredThrough) }

    /// The entries up to `number` were dropped for their age while the log was being read.
    mutating func drop(through number: Int64) {
        expiredThrough = max(expiredThrough, number)
    }

    mutating func take(_ entry: AuditEntry, findings: inout Findings) {
        if entry.number <= expiredThrough {
            findings.add(
                "audit entry \(entry.number) is there, although those up to \(expiredThrough) were dropped for age"
            )
        } else if entry.number > reached + 1 {
            report(missing: reached + 1...entry.number - 1, &findings)
        }
        checkLink(of: entry, &findings)
        entries += 1
        if first == nil { first = entry }
        if entry.previous != nil, chainedFrom == nil { chainedFrom = entry.number }
        last = entry
        lastHash = AuditHash(of: entry, encodedIn: &buffer)
    }

    private func checkLink(of entry: AuditEntry, _ findings: inout Findings) {
        guard let previous = entry.previous else {
            if let chainedFrom {
                findings.add(
                    "audit entry \(entry.number) was changed: it lacks the hash of the one before, which all have from "
                        + "\(chainedFrom) on")
            }
            return
        }
        if entry.number == 1 {
            findings.expect(previous == .zero, "audit entry 1 was changed: it holds the hash of one before")
        } else if let last, last.number == entry.number - 1 {
            findings.expect(
                previous == lastHash,
                "audit entry \(last.number) was changed, or what entry \(entry.number) holds of it: the hashes differ")
        }
    }

    /// - Parameter ledger: as it was noted when the last entries that were taken were there; `nil` if there is no note.
    func finish(_ ledger: AuditLedger?, findings: inout Findings) {
        guard let ledger else {
            findings.expect(chainedFrom == nil, "the note of how far the audit log goes is missing")
            return
        }
        if reached < ledger.number {
            report(missing: reached + 1...ledger.number, &findings)
        } else if let last, last.number > ledger.number {
            findings.add("audit entry \(last.number) is there, although only \(ledger.number) were written")
        } else if let last, last.number == ledger.number {
            findings.expect(
                lastHash == ledger.hash,
                "audit entry \(last.number) was changed: its hash is not the one that was noted")
        }
    }

    private func report(missing numbers: ClosedRange<Int64>, _ findings: inout Findings) {
        findings.add(
            numbers.count == 1
                ? "audit entry \(numbers.lowerBound) is missing"
                : "audit entries \(numbers.lowerBound) to \(numbers.upperBound) are missing")
    }
}

extension AuditHash {
    init(of entry: AuditEntry, encodedIn buffer: inout ByteBuffer) {
        buffer.clear()
        buffer.writeAuditRow(entry)
        var hasher = SHA256()
        buffer.withUnsafeReadableBytes { hasher.update(bufferPointer: $0) }
        self.init(digest: hasher.finalize())
    }
}

extension AuditLedger {
    /// What is noted in `reader`; `nil` if nothing is, or nothing that can be read.
    init?(notedIn reader: any StorageReader, findings: inout Findings) throws(ApusError) {
        guard let text = try reader.note(Self.noteName) else { return nil }
        guard let ledger = AuditLedger(text) else {
            findings.add("the note of how far the audit log goes cannot be read")
            return nil
        }
        self = ledger
    }
}
