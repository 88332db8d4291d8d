import ApusCore
import ApusServer
import Testing

@Suite struct SettingsInForceTests {
    @Test func `each setting says what it is and where it is from`() throws {
        let folder = try ScratchFolder(file: "PORT=2\nHOST=127.0.0.2\nADMIN_PASSWORD=a-word-nobody-sees\n")
        let settings = try Settings.load(
            environment: SettingsTests.secrets.merging(["PORT": "1", "DB_PATH": "e.db", "LOG_LEVEL": ""]) { $1 },
            dotEnv: folder.filePath, flags: ["PORT": "3"])
        let inForce = Dictionary(uniqueKeysWithValues: settings.inForce.map { ($0.name, $0) })
        func facts(_ name: String) -> [String] {
            inForce[name].map { [$0.value ?? "-", $0.source.rawValue] } ?? []
        }
        #expect(facts("PORT") == ["3", "flag"])
        #expect(facts("HOST") == ["127.0.0.2", "file"])
        #expect(facts("DB_PATH") == ["e.db", "environment"])
        #expect(facts("LOG_LEVEL") == ["info", "default"])
        #expect(facts("EVENT_LOOPS") == ["\(settings.loops)", "default"])
        #expect(settings.inForce.map(\.name) == Settings.table.map(\.key))
    }

    @Test func `a secret says only whether it is set`() throws {
        let folder = try ScratchFolder(file: "ADMIN_PASSWORD=a-word-nobody-sees\n")
        for (file, isSet) in [(folder.filePath, true), (nil, false)] {
            let settings = try Settings.load(environment: SettingsTests.secrets, dotEnv: file)
            let secrets = settings.inForce.filter(\.isSecret)
            #expect(secrets.map(\.name) == ["JWT_SECRET", "ADMIN_API_KEY", "ADMIN_PASSWORD"])
            #expect(secrets.allSatisfy { $0.value == nil } && secrets.map(\.isSet) == [true, true, isSet])
            #expect(secrets[2].source == (isSet ? .file : .standard) && secrets[0].source == .environment)
        }
        let careless = SettingInForce(name: "X", value: "x", source: .flag, isSecret: true, isSet: true)
        #expect(careless.value == nil)
    }
}
