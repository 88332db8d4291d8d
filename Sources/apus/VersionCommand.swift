import ApusServer
import ArgumentParser

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Prints the version.")

    func run() {
        print("apus \(Version.current)")
    }
}
