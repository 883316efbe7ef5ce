using System.Buffers.Binary;
using System.Text;

namespace Llama.Torch.Native;

/// <summary>
/// Changes to a shared library for Linux on x86-64 (System V ABI, "Executable and Linking Format"; symbol versions as in the Linux Standard
/// Base).
/// </summary>
internal static class ElfFile
{
    private const uint VersionNeeds = 0x6ffffffe;
    private const ushort Weak = 2;

    /// <summary>
    /// Marks a version of another library's symbols that the file needs as weak: the loader then only warns where it is missing. Right
    /// for a version of which no symbol is ever called.
    /// </summary>
    /// <param name="file">The file's bytes, changed in place.</param>
    /// <param name="version">The version's name.</param>
    /// <returns>Whether the file needs it.</returns>
    /// <exception cref="InvalidDataException">The file is not such a library.</exception>
    public static bool MakeWeak(Span<byte> file, string version)
    {
        try
        {
            if (!file.StartsWith("\u007fELF\u0002\u0001"u8)) throw new InvalidDataException("It is no 64-bit ELF file.");
            ulong sections = UInt64(file, 0x28);
            ushort sectionBytes = UInt16(file, 0x3a), count = UInt16(file, 0x3c);
            bool found = false;
            for (int i = 0; i < count; i++)
            {
                Span<byte> section = file[checked((int)sections + (i * sectionBytes))..];
                if (UInt32(section, 4) != VersionNeeds) continue;
                Span<byte> strings = file[checked((int)sections + ((int)UInt32(section, 40) * sectionBytes))..];
                found |= MakeWeak(file, (int)UInt64(section, 24), (int)UInt32(section, 44), (int)UInt64(strings, 24), version);
            }

            return found;
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or OverflowException or IndexOutOfRangeException)
        {
            throw new InvalidDataException("Its sections lie outside of the file.", e);
        }
    }

    private static bool MakeWeak(Span<byte> file, int need, int needs, int strings, string version)
    {
        bool found = false;
        for (int i = 0; i < needs; i++)
        {
            int entry = need + (int)UInt32(file, need + 8), entries = UInt16(file, need + 2);
            for (int j = 0; j < entries; j++)
            {
                Span<byte> name = file[(strings + (int)UInt32(file, entry + 8))..];
                if (Encoding.ASCII.GetString(name[..name.IndexOf((byte)0)]) == version)
                {
                    found = true;
                    BinaryPrimitives.WriteUInt16LittleEndian(file[(entry + 4)..], (ushort)(UInt16(file, entry + 4) | Weak));
                }

                entry += (int)UInt32(file, entry + 12);
            }

            need += (int)UInt32(file, need + 12);
        }

        return found;
    }

    private static ushort UInt16(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[offset..]);

    private static uint UInt32(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static ulong UInt64(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);
}
