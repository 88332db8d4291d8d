import ApusServer
import ArgumentParser

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Runs the server until it is told to stop (SIGTERM, SIGINT).",
        discussion: """
            Each setting is read from the environment, from the file .env in the working directory, and from the \
            flags below; the later one wins. The secrets JWT_SECRET, ADMIN_API_KEY and ADMIN_PASSWORD have no flags, \
            because flags show in the list of processes. On the loopback, missing secrets are made up and kept in .env.

            Exit codes: 0 after a stop, 74 if the storage cannot be used, 78 if a setting has to be changed.
            """)

    @OptionGroup(title: "Settings") var flags: SettingFlags

    func run() async throws {
        let settings: Settings
        do {
            settings = try Settings.load(environment: Process.environment, flags: flags.given)
        } catch {
            throw Process.complain(error.message, code: SettingsError.exitCode)
        }
        do {
            let server = try Server(settings: settings, logger: settings.makeLogger())
            let token = try await Settings.Signing(settings).token(for: Banner.user, ttlSeconds: Banner.tokenSeconds)
            try await server.run { host, port in
                Process.say(Banner(settings: settings, host: host, port: port, token: token).text)
            }
        } catch {
            let failure = StartFailure(error, settings: settings)
            throw Process.complain(failure.message, code: failure.exitCode)
        }
    }
}
