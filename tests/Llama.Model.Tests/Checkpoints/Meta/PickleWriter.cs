using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Llama.Model.Tests.Checkpoints.Meta;

/// <summary>Writes pickles by hand, opcode by opcode, and the zip files around them.</summary>
internal sealed class PickleWriter
{
    private readonly List<byte> written = [];

    public byte[] Bytes => [.. written];

    public PickleWriter Raw(params ReadOnlySpan<byte> bytes)
    {
        written.AddRange(bytes);
        return this;
    }

    public PickleWriter Raw(string ascii) => Raw(Encoding.ASCII.GetBytes(ascii));

    public PickleWriter Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        return Raw("X").Raw(length).Raw(utf8);
    }

    public PickleWriter Number(long value)
    {
        byte[] number = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, value);
        return Raw(0x8a, 8).Raw(number);
    }

    public PickleWriter Numbers(params long[] values)
    {
        Raw("(");
        foreach (long value in values) Number(value);
        return Raw("t");
    }

    /// <summary>The tensor that a call of <c>_rebuild_tensor_v2</c> makes.</summary>
    public PickleWriter Tensor(
        string key, long[] shape, long[] strides, string storage = "FloatStorage", long offset = 0, long? elements = null)
    {
        Raw("ctorch._utils\n_rebuild_tensor_v2\n((").Text("storage").Raw($"ctorch\n{storage}\n").Text(key).Text("cpu");
        Number(elements ?? shape.Aggregate(1L, (product, dimension) => product * dimension)).Raw("tQ");
        return Number(offset).Numbers(shape).Numbers(strides).Raw(0x89).Raw("ccollections\nOrderedDict\n)RtR");
    }

    /// <summary>A pickled dictionary of one item.</summary>
    public static byte[] Dictionary(string name, Action<PickleWriter> value)
    {
        PickleWriter writer = new PickleWriter().Raw(0x80, 2).Raw("}(").Text(name);
        value(writer);
        return writer.Raw("u.").Bytes;
    }

    /// <summary>Writes a <c>.pth</c> file of a pickle and the entries it refers to.</summary>
    public static void WriteFile(
        string path,
        byte[] pickle,
        IEnumerable<(string Name, byte[] Bytes)> entries,
        CompressionLevel level = CompressionLevel.NoCompression)
    {
        using var archive = new ZipArchive(File.Create(path), ZipArchiveMode.Create);
        foreach ((string name, byte[] bytes) in entries.Prepend(("data.pkl", pickle)))
        {
            using Stream entry = archive.CreateEntry($"archive/{name}", level).Open();
            entry.Write(bytes);
        }
    }
}
