namespace Llama.Model.Checkpoints.Files;

/// <summary>Tells files that are no checkpoint's but what a download left in its place.</summary>
internal static class WrongDownload
{
    /// <summary>How the message of a file ends that is shorter than it says.</summary>
    public const string Truncated = "truncated or damaged: download it again";

    /// <summary>Bytes from a file's start that are enough to tell.</summary>
    public const int HeadBytes = 64;

    /// <summary>Refuses a pointer of Git LFS and an HTML page.</summary>
    /// <param name="path">The file's path.</param>
    /// <param name="content">Its first bytes, or all of them.</param>
    /// <exception cref="CheckpointException">It is one.</exception>
    public static void Refuse(string path, ReadOnlySpan<byte> content)
    {
        ReadOnlySpan<byte> head = content[..Math.Min(content.Length, HeadBytes)];
        if (head.StartsWith("version https://git-lfs"u8))
        {
            throw new CheckpointException(
                $"{path}: found a Git LFS pointer, expected the file that it stands for: run `git lfs pull` in its folder, or download the file itself");
        }

        head = head.TrimStart(" \t\r\n\uFEFF"u8);
        if (BeginsWith(head, "<!doctype html"u8) || BeginsWith(head, "<html"u8))
        {
            throw new CheckpointException(
                $"{path}: found an HTML page, expected the file itself: the download got an error or a login page; download it again");
        }
    }

    private static bool BeginsWith(ReadOnlySpan<byte> head, ReadOnlySpan<byte> start) =>
        head.Length >= start.Length && System.Text.Ascii.EqualsIgnoreCase(head[..start.Length], start);
}
