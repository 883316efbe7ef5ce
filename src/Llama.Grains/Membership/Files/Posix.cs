using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Llama.Grains.Membership.Files;

/// <summary>The few calls of POSIX and Linux that .NET does not have.</summary>
[UnsupportedOSPlatform("windows")]
internal static partial class Posix
{
    private const int NoSuchProcess = 3;
    private const int NoSuchFile = 2;
    private const int AlreadyThere = 17;
    private const int CurrentFolder = -100;
    private const int OwnerMask = 0x8;
    private const int StatusBytes = 256;
    private const int OwnerOffset = 20;

    /// <summary>The user whom this process acts for.</summary>
    public static uint User => GetEffectiveUser();

    /// <summary>Whether there is a process of this id, of any user, also one that has ended and waits for its parent.</summary>
    public static bool Exists(int pid) => Kill(pid, 0) == 0 || Marshal.GetLastPInvokeError() != NoSuchProcess;

    /// <summary>
    /// Gives a file a second name, if nobody else has that (link(2)). This is the one way to publish a whole file under a new name that is
    /// atomic everywhere: rename(2) replaces what is there.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="name">Its second name, in the same file system.</param>
    /// <returns>False where the name is taken, or the folder is gone.</returns>
    /// <exception cref="IOException">The file system cannot do this, is full, or is broken.</exception>
    public static bool TryLink(string file, string name)
    {
        if (Link(file, name) == 0) return true;
        int error = Marshal.GetLastPInvokeError();
        return error is AlreadyThere or NoSuchFile
            ? false
            : throw new IOException($"'{name}' cannot be made with link(2): {new Win32Exception(error).Message}");
    }

    /// <summary>The user whom a file or folder belongs to (statx(2)); null where this system does not tell.</summary>
    public static uint? OwnerOf(string path)
    {
        if (!OperatingSystem.IsLinux()) return null;
        byte[] status = new byte[StatusBytes];
        return Status(CurrentFolder, path, 0, OwnerMask, status) == 0
            ? BinaryPrimitives.ReadUInt32LittleEndian(status.AsSpan(OwnerOffset))
            : null;
    }

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string file, string name);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint GetEffectiveUser();

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int folder, string path, int flags, uint mask, byte[] status);
}
