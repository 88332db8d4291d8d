internal import ApusCore
internal import ApusStorageKit
internal import Glibc

/// Tells a file that was cut short from a whole one: LMDB maps it all the same, and to read beyond its end would end
/// the process.
///
/// Free pages at the end may never have been written, so a file may be short and whole. The list of free pages is
/// read here as it lies in the file (mdb.c of LMDB 0.9, "Page format"), since LMDB can only be asked once it has mapped
/// the file. Nothing is changed.
struct FileLength {
    private let path: String

    init(of path: String) {
        self.path = path
    }

    /// - Throws: a refusal if a page is missing that is not free.
    func check() throws(ApusError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw .refusal(path, FileStatus.description(ofErrno: errno))
        }
        defer { close(descriptor) }
        // A server may be writing meanwhile, and then what was read may not fit together.
        for _ in 0..<5 where isWhole(descriptor) { return }
        throw .refusal(path, "it is damaged: a part of it is missing")
    }

    private func isWhole(_ descriptor: CInt) -> Bool {
        // What is no LMDB database LMDB itself refuses.
        guard let pages = FreePages(descriptor) else { return true }
        let present = FileStatus.byteCount(path) / FreePages.pageBytes
        guard present <= pages.last else { return true }
        guard pages.last < Int.max / FreePages.pageBytes else { return false }
        return pages.count(from: present) == pages.last + 1 - present
    }
}

/// The list of free pages, from the file.
private struct FreePages {
    static let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))

    private let descriptor: CInt
    private let root: UInt64
    /// The last page that was ever used.
    let last: Int

    private static let magic: UInt32 = 0xBEEF_C0DE
    private static let headBytes = 16
    private static let leafFlag: UInt16 = 2
    private static let bigDataFlag: UInt16 = 1
    private static let depthMax = 32

    /// Reads the newer of the two pages that tell where everything is; `nil` if neither is LMDB's.
    init?(_ descriptor: CInt) {
        self.descriptor = descriptor
        var newest: (transaction: UInt64, root: UInt64, last: UInt64)?
        for number in 0..<UInt64(2) {
            guard let page = Self.read(descriptor, page: number), page.number(16, UInt32.self) == Self.magic else {
                continue
            }
            // Behind the head: magic, version, address, map size; two tables of 48 bytes, each with its root last.
            let found = (
                transaction: page.number(144, UInt64.self), root: page.number(80, UInt64.self),
                last: page.number(136, UInt64.self)
            )
            if newest.map({ $0.transaction <= found.transaction }) ?? true { newest = found }
        }
        guard let newest else { return nil }
        root = newest.root
        last = Int(clamping: newest.last)
    }

    /// How many pages from `first` on are free.
    func count(from first: Int) -> Int {
        root == .max ? 0 : count(from: UInt64(first), below: root, depth: 0)
    }

    private func count(from first: UInt64, below number: UInt64, depth: Int) -> Int {
        guard depth < Self.depthMax, let page = Self.read(descriptor, page: number) else { return 0 }
        let isLeaf = page.number(10, UInt16.self) & Self.leafFlag != 0
        let nodes = max(0, Int(page.number(12, UInt16.self)) - Self.headBytes) / 2
        var found = 0
        for index in 0..<min(nodes, Self.pageBytes / 2 - Self.headBytes) {
            let node = Int(page.number(Self.headBytes + 2 * index, UInt16.self))
            guard node + 16 <= Self.pageBytes else { continue }
            let (low, high) = (UInt64(page.number(node, UInt16.self)), UInt64(page.number(node + 2, UInt16.self)))
            let flags = page.number(node + 4, UInt16.self)
            if isLeaf {
                let data = node + 8 + Int(page.number(node + 6, UInt16.self))
                found += count(from: first, in: page, at: data, isElsewhere: flags & Self.bigDataFlag != 0)
            } else {
                found += count(from: first, below: low | high << 16 | UInt64(flags) << 32, depth: depth + 1)
            }
        }
        return found
    }

    /// A list is its length and so many page numbers; a long one lies on pages of its own.
    private func count(from first: UInt64, in page: [UInt8], at offset: Int, isElsewhere: Bool) -> Int {
        guard offset + 8 <= page.count else { return 0 }
        guard isElsewhere else {
            let length = min(Int(clamping: page.number(offset, UInt64.self)), (page.count - offset) / 8 - 1)
            return (0..<max(0, length)).count { page.number(offset + 8 + 8 * $0, UInt64.self) >= first }
        }
        let number = page.number(offset, UInt64.self)
        guard let head = Self.read(descriptor, page: number) else { return 0 }
        let pages = Int(head.number(12, UInt32.self))
        guard let list = Self.read(descriptor, page: number, pages: pages) else { return 0 }
        return count(from: first, in: list, at: Self.headBytes, isElsewhere: false)
    }

    /// `nil` if it is not all there.
    private static func read(_ descriptor: CInt, page: UInt64, pages: Int = 1) -> [UInt8]? {
        let offset = page.multipliedReportingOverflow(by: UInt64(pageBytes))
        guard !offset.overflow, let start = Int(exactly: offset.partialValue), (1...1 << 16).contains(pages) else {
            return nil
        }
        var bytes = [UInt8](repeating: 0, count: pages * pageBytes)
        let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, start) }
        return count == bytes.count ? bytes : nil
    }
}

extension [UInt8] {
    fileprivate func number<Number: FixedWidthInteger>(_ offset: Int, _: Number.Type) -> Number {
        withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self)) }
    }
}
