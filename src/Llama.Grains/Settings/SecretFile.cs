using System.Text;

namespace Llama.Grains.Settings;

/// <summary>Reads a short secret from a text file.</summary>
internal static class SecretFile
{
    private const int MaximumBytes = 4096;

    /// <summary>The file's text.</summary>
    /// <param name="option">The option that names the file, for messages.</param>
    /// <param name="file">Its path.</param>
    /// <exception cref="InvalidDataException">It cannot be read, is too long, or is not UTF-8 text.</exception>
    public static string Read(string option, string file)
    {
        try
        {
            using FileStream stream = File.OpenRead(file);
            byte[] content = new byte[MaximumBytes + 1];
            int length = stream.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
            return length <= MaximumBytes
                ? new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(content, 0, length)
                : throw new InvalidDataException($"{option}: '{file}' holds more than {MaximumBytes} bytes; expected a secret");
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidDataException($"{option}: '{file}' is not UTF-8 text");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InvalidDataException($"{option}: '{file}' cannot be read: {exception.Message}", exception);
        }
    }
}
