namespace Llama.Model.Machine;

/// <summary>Small texts in which the system tells of itself.</summary>
internal static class SystemFile
{
    private const int MostCharacters = 1 << 16;

    /// <summary>What a symbolic link points to; null where it is missing or may not be read.</summary>
    public static string? Target(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
#pragma warning disable CA1031 // What cannot be read is unknown, for whatever reason.
        catch (Exception)
#pragma warning restore CA1031
        {
            return null;
        }
    }

    /// <summary>The text of a file; null where it is missing, may not be read, or there is no descriptor to read it with.</summary>
    public static string? Read(string path)
    {
        try
        {
            using var reader = new StreamReader(path);
            char[] text = new char[MostCharacters];
            return new string(text, 0, reader.ReadBlock(text));
        }
#pragma warning disable CA1031 // What cannot be read is unknown, for whatever reason.
        catch (Exception)
#pragma warning restore CA1031
        {
            return null;
        }
    }
}
