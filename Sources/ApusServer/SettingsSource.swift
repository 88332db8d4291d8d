import ApusCore
import Configuration

/// Where settings come from: command-line flags, before the `.env` file, before the environment.
struct SettingsSource {
    private struct Layer {
        let source: SettingInForce.Source
        let origin: @Sendable (String) -> String
        let reader: ConfigReader
    }

    private let layers: [Layer]
    private let reader: ConfigReader

    /// Values that are empty count as not set. Keys are the settings' names in all three.
    init(flags: [String: String], file: [String: String], fileName: String, environment: [String: String]) {
        let known = Set(SettingsTable.rows.map(\.key))
        func provider(_ values: [String: String]) -> EnvironmentVariablesProvider {
            EnvironmentVariablesProvider(
                environmentVariables: values.filter { known.contains($0.key) && !$0.value.isEmpty },
                secretsSpecifier: .specific(Set(SettingsTable.rows.filter(\.isSecret).map(\.key))))
        }
        let flagValues = flags.filter { !$0.value.isEmpty }.map { key, value in
            (AbsoluteConfigKey([key]), ConfigValue(.string(value), isSecret: false))
        }
        let providers: [any ConfigProvider] = [
            InMemoryProvider(values: Dictionary(flagValues) { $1 }), provider(file), provider(environment),
        ]
        let origins: [@Sendable (String) -> String] = [
            { "--" + $0.lowercased().replacing("_", with: "-") }, { _ in fileName }, { _ in "the environment" },
        ]
        reader = ConfigReader(providers: providers)
        let sources: [SettingInForce.Source] = [.flag, .file, .environment]
        layers = zip(sources, zip(origins, providers)).map { source, place in
            Layer(source: source, origin: place.0, reader: ConfigReader(providers: [place.1]))
        }
    }

    func isSet<Value>(_ setting: Setting<Value>) -> Bool {
        text(of: setting) != nil
    }

    /// Where the setting's text was found, in words.
    func origin<Value>(of setting: Setting<Value>) -> String {
        let layer = layers.first { $0.reader.string(forKey: ConfigKey([setting.key])) != nil }
        return layer?.origin(setting.key) ?? "its default"
    }

    /// The setting of that row as it is in force.
    ///
    /// - Parameter computed: what is used when there is neither a text nor a default.
    func inForce(_ row: SettingRow, computed: String?) -> SettingInForce {
        for layer in layers {
            guard let text = layer.reader.string(forKey: ConfigKey([row.key]), isSecret: row.isSecret) else { continue }
            return SettingInForce(
                name: row.key, value: text, source: layer.source, isSecret: row.isSecret, isSet: true)
        }
        let value = row.defaultText ?? computed
        return SettingInForce(
            name: row.key, value: value, source: .standard, isSecret: row.isSecret, isSet: value != nil)
    }

    /// The setting, or its default; `nil` if there is neither.
    func value<Value>(of setting: Setting<Value>) throws(SettingsError) -> Value? {
        guard let text = text(of: setting) ?? setting.defaultText else { return nil }
        guard let value = setting.format.read(text) else {
            let shown = setting.format.isSecret ? "a value of \(text.utf8.count) bytes" : Self.quoted(text)
            throw SettingsError(
                "\(setting.key) is \(shown), from \(origin(of: setting)); expected: \(setting.format.expected)")
        }
        return value
    }

    /// The setting, which must be there or have a default.
    func required<Value>(_ setting: Setting<Value>) throws(SettingsError) -> Value {
        guard let value = try value(of: setting) else {
            throw SettingsError("\(setting.key) is not set; expected: \(setting.format.expected)")
        }
        return value
    }

    private func text<Value>(of setting: Setting<Value>) -> String? {
        reader.string(forKey: ConfigKey([setting.key]), isSecret: setting.format.isSecret)
    }

    /// One line, whatever the value holds, and not a long one.
    private static func quoted(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(80).map { $0.escaped(asASCII: false) }.joined()
        return "\"\(shown)\(text.unicodeScalars.count > 80 ? "…" : "")\""
    }
}
