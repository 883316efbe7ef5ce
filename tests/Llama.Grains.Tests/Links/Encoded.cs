using Llama.Grains.Links;

namespace Llama.Grains.Tests.Links;

/// <summary>Messages as bytes.</summary>
internal static class Encoded
{
    public static byte[] Of(StepResult result)
    {
        byte[] bytes = new byte[ResultCodec.Bytes(result)];
        ResultCodec.Write(result, bytes);
        return bytes;
    }
}
