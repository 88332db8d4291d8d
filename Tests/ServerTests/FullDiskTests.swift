import Glibc
import Testing

/// A disk that fills up while the server writes, and gets space again. It is a small file system in memory, which only
/// root may mount.
@Suite(.enabled(if: TestStorage.current.isKept && SmallDisk.isPossible))
struct FullDiskTests {
    @Test func `a full disk is answered with 507, reads go on, and writes come back by themselves`() throws {
        let disk = try #require(SmallDisk(megabytes: 150))
        let filler = disk.path + "/filler"
        #expect(writeFile(filler, bytes: 80 << 20))
        let server = try RunningServer(["DB_PATH": "\(TestStorage.current.rawValue):\(disk.path)/data"])
        let user = TestUser(server)
        let value = "\"\(String(repeating: "v", count: 900_000))\""
        var acknowledged: [String] = []
        var refusal: HTTPAnswer?
        for number in 0..<400 where refusal == nil {
            let answer = try user.set("k\(number)", value)
            if answer.status == 200 { acknowledged.append("k\(number)") } else { refusal = answer }
        }
        try expectProblem(#require(refusal), 507, "storage-full")
        #expect(acknowledged.count > 20)
        try expectProblem(user.set("more", value), 507, "storage-full")
        for key in acknowledged { #expect(try user.get(key).json()["data"]["value"].text?.count == 900_000, "\(key)") }
        #expect(try server.call("GET", "/health").status == 200)

        unlink(filler)
        #expect(eventually { (try? user.set("after", value).status) == 200 })
        try server.restart(after: .kill)
        for key in acknowledged + ["after"] { #expect(try user.get(key).status == 200, "\(key)") }
        let sequence = try user.mustSet("last", "1")["seq"].int
        #expect(sequence == acknowledged.count + 2)
        server.kill()
    }
}

/// A file system of a few megabytes, gone when it is let go of.
private final class SmallDisk: Sendable {
    let path: String
    private let directory: ScratchDirectory

    /// Whether this process may mount one.
    static let isPossible = SmallDisk(megabytes: 1) != nil

    init?(megabytes: Int) {
        directory = ScratchDirectory()
        path = directory.path + "/disk"
        guard mkdir(path, 0o700) == 0, mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else { return nil }
    }

    deinit {
        umount2(path, Int32(MNT_DETACH))
    }
}

private func writeFile(_ path: String, bytes: Int) -> Bool {
    let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
    defer { close(descriptor) }
    return posix_fallocate(descriptor, 0, bytes) == 0
}
