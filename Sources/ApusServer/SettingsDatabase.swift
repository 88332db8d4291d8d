extension Settings {
    /// Where the database is: `DB_PATH` from where ``Settings`` has it; no secret is needed, nor made up.
    public static func database(
        environment: [String: String], dotEnv path: String = ".env", flags: [String: String] = [:]
    ) throws(SettingsError) -> StorageURL {
        let source = try SettingsSource(environment: environment, file: SettingsFile(path: path), flags: flags)
        return StorageURL(try source.required(SettingsTable.databasePath))
    }
}
