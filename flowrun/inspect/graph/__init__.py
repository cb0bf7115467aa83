"""The compiled chain as a picture, from the flow alone: nothing is opened and nothing imported."""
