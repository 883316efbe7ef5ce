using System.Buffers.Binary;
using System.Text;

namespace Llama.Model.Tests.Checkpoints.HuggingFace;

/// <summary>Writes safetensors files of a header given as it is.</summary>
internal static class SafetensorsWriter
{
    public static void Write(string path, string header, long dataBytes)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        using FileStream stream = File.Create(path);
        stream.Write([.. length, .. json]);
        stream.SetLength(stream.Length + dataBytes);
    }
}
