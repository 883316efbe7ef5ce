namespace Llama.Grains.Membership.Files;

/// <summary>A folder that nobody but this user can write to.</summary>
internal static class OwnedFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>Makes the folder if it does not exist, for its owner only; else looks whether it may be used.</summary>
    /// <param name="path">The folder.</param>
    /// <returns>Whether it was made.</returns>
    /// <exception cref="InvalidDataException">
    /// It belongs to another user, others can write to it, or it cannot be made; the message names it.
    /// </exception>
    public static bool Ensure(string path)
    {
        try
        {
            if (System.IO.Directory.Exists(path))
            {
                if (Fault(path) is { } fault) throw new InvalidDataException($"'{path}' {fault}");
                return false;
            }

            if (OperatingSystem.IsWindows()) System.IO.Directory.CreateDirectory(path);
            else System.IO.Directory.CreateDirectory(path, OwnerOnly);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InvalidDataException($"'{path}' cannot be used as a folder: {e.Message}", e);
        }
    }

    /// <summary>On Windows folders of a user are closed to others by themselves.</summary>
    private static string? Fault(string path)
    {
        if (OperatingSystem.IsWindows()) return null;
        if (Posix.OwnerOf(path) is { } owner && owner != Posix.User)
            return $"belongs to user {owner}; expected a folder of the user {Posix.User} that this process runs as";
        UnixFileMode mode = File.GetUnixFileMode(path);
        return (mode & OthersWrite) == 0
            ? null
            : $"can be written to by others (mode {Convert.ToString((int)mode, 8)}); expected one that only its owner can, as after chmod 700";
    }
}
