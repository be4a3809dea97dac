package bench;

import io.netty.channel.ChannelHandlerContext;

/** Sends back what comes: bytes, or messages as the decoder in front of it cuts them. */
final class Echo extends Session {
    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        context.write(message, context.voidPromise());
    }
}
