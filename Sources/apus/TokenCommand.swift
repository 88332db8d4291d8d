import ApusServer
import ArgumentParser

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Prints a token for a user, signed with JWT_SECRET from the environment or .env.",
        discussion: "No server needs to run. The user need not have been made by an administrator.")

    @Argument(help: "The user_id the token speaks for.") var user: String
    @Option(help: "How long the token is good; TOKEN_TTL_SECONDS unless given.") var ttlSeconds: Int64?
    @Option(help: "Custom claims, a JSON object.") var claims: String?

    func run() async throws {
        let signing: Settings.Signing
        do {
            signing = try Settings.Signing.load(environment: Process.environment)
        } catch {
            throw Process.complain(error.message, code: SettingsError.exitCode)
        }
        do {
            Process.say(try await signing.token(for: user, ttlSeconds: ttlSeconds, claims: claims))
        } catch {
            throw Process.complain(error.message, code: Process.usageError)
        }
    }
}
